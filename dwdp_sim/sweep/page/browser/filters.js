// The filters: a box for each factor, and how many jobs each value would show.

const counts = new Map(); // factor -> the elements that show its values' counts

function makeFilters() {
  const fields = document.getElementById("fields");
  for (const factor of data.factors) {
    const box = make(
      "fieldset",
      {},
      make("legend", { textContent: factor.label, title: factor.meaning || factor.name }),
    );
    box.append(byRange(factor) ? betweenOf(factor) : valuesOf(factor));
    fields.append(box);
  }
  const search = document.getElementById("search");
  search.value = view.search;
  search.addEventListener("input", () => {
    view.search = search.value;
    changed("filters");
  });
  document.getElementById("reset").addEventListener("click", resetFilters);
  const narrow = matchMedia("(max-width: 60rem)");
  const fold = () => {
    document.getElementById("filters").open = !narrow.matches;
  };
  narrow.addEventListener("change", fold);
  fold();
  listeners.push(showCounts);
}

function valuesOf(factor) {
  const list = make("div", { className: "values" });
  const spans = factor.texts.map((text, code) => {
    const input = make("input", { type: "checkbox", value: text, name: factor.name });
    input.checked = wanted.get(factor.name)?.has(code) || false;
    input.addEventListener("change", () => {
      const want = wanted.get(factor.name) || new Set();
      if (input.checked) want.add(code);
      else want.delete(code);
      if (want.size) wanted.set(factor.name, want);
      else wanted.delete(factor.name);
      changed("filters");
    });
    const count = make("span");
    list.append(make("label", {}, input, text, count));
    return count;
  });
  counts.set(factor, spans);
  return list;
}

function betweenOf(factor) {
  const last = factor.texts.length - 1;
  const ends = ["from", "to"].map((word, end) => {
    const select = make("select", { name: `${factor.name} ${word}`, "aria-label": `${factor.label} ${word}` });
    factor.texts.forEach((text, code) => select.append(make("option", { value: code, textContent: text })));
    select.value = String((wanted.get(factor.name) || [0, last])[end]);
    return select;
  });
  for (const select of ends) {
    select.addEventListener("change", () => {
      const [from, to] = ends.map((end) => Number(end.value));
      if (from === 0 && to === last) wanted.delete(factor.name);
      else wanted.set(factor.name, [from, to]);
      changed("filters");
    });
  }
  return make("div", { className: "between" }, make("label", {}, "from", ends[0]), make("label", {}, "to", ends[1]));
}

function showCounts() {
  for (const [factor, spans] of counts) {
    const found = new Array(spans.length).fill(0);
    for (const line of matching(factor)) found[factor.codes[line]] += 1;
    spans.forEach((span, code) => {
      span.textContent = String(found[code]);
    });
  }
  const active = wanted.size + (view.search ? 1 : 0);
  document.getElementById("active").textContent = active ? ` (${active} active)` : "";
  document.getElementById("reset").disabled = !active;
  document.getElementById("shown").textContent =
    `${shown.length.toLocaleString("en")} of ${everyJob.length.toLocaleString("en")} jobs shown`;
}

function resetFilters() {
  wanted.clear();
  view.search = document.getElementById("search").value = "";
  for (const input of document.querySelectorAll("#fields input")) input.checked = false;
  for (const select of document.querySelectorAll("#fields select")) {
    select.value = select.name.endsWith(" from") ? "0" : String(select.options.length - 1);
  }
  changed("filters");
}
