// Puts the parts together.

function makeChoices() {
  const options = {
    y: data.measures.map((measure) => [measure.name, titled(measure)]),
    x: [
      ...data.factors.map((factor) => [factor.name, factor.label]),
      ...data.measures.map((measure) => [measure.name, titled(measure)]),
    ],
    colour: [["", "nothing"], ...data.factors.map((factor) => [factor.name, factor.label])],
    panels: [
      ["", "nothing"],
      ...data.factors.filter((factor) => factor.texts.length <= 16).map((factor) => [factor.name, factor.label]),
    ],
    scale: [
      ["zero", "from zero"],
      ["close", "close up"],
      ["log", "logarithmic"],
    ],
  };
  for (const [role, list] of Object.entries(options)) {
    const select = document.getElementById(`choose-${role}`);
    for (const [value, text] of list) select.append(make("option", { value, textContent: text }));
    select.value = view[role];
    if (select.selectedIndex < 0) select.selectedIndex = 0;
    view[role] = select.value;
    select.addEventListener("change", () => {
      view[role] = select.value;
      changed(role);
    });
  }
  const parts = document.getElementById("parts-of");
  data.parts.forEach((group, place) => parts.append(make("option", { value: place, textContent: group.title })));
  parts.addEventListener("change", drawParts);
}

function drawAll() {
  drawExplorer();
  drawParts();
  drawMeasured();
}

function makeTheme() {
  const select = document.getElementById("theme");
  select.addEventListener("change", () => {
    if (select.value) document.documentElement.dataset.theme = select.value;
    else delete document.documentElement.dataset.theme;
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
}

function redrawWhenResized() {
  let width = innerWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawAll, 150);
  });
}

readAddress();
makeTheme();
if (data.jobs.length) {
  makeFilters();
  makeChoices();
  makeTable();
  listeners.push((what) => {
    if (what !== "sort") drawAll();
  });
  redrawWhenResized();
  changed("filters");
}
