// Draws the pictures that the form asks for, and shows those rows of the table that belong to them.

(() => {
  const MOST_POINTS = 3000;
  const MOST_RANGES = 600;
  const MOST_LINES = 60;
  const MOST_BARS = 40;
  const PANEL = 330; // least width of one, pixels
  const GAP = 20; // between panels
  const FIT = { width: "container", autosize: { type: "fit", contains: "padding" } };
  const data = JSON.parse(document.getElementById("data").textContent);
  const { factors, figures } = data;
  const names = Object.keys(factors);
  const form = document.getElementById("choices");
  const drawPicture = drawer("picture", "No job passes the filters and has this figure.");
  const drawBars = drawer("bars", "No job shown has these parts.");
  const drawComparison = drawer("comparison", "No job shown has a measured row.");

  const codeOf = (name, line) => factors[name].codes[line];
  const textOf = (name, line) => (name in factors ? factors[name].texts[codeOf(name, line)] : "");
  const figureOf = (name, line) => figures[name]?.[line] ?? null;
  const labelsOf = (some) => some.map((name) => factors[name].label).join(", ");
  const counted = (number) => number.toLocaleString("en");
  const say = (id, ...sentences) => {
    document.getElementById(id).textContent = sentences.filter(Boolean).join(" ");
  };

  // What the form says, and the jobs that pass its filters: of each factor one of the ticked values, if any is.
  function asked() {
    const given = new FormData(form);
    const ticked = names.map((name) => [name, given.getAll(name).map(Number)]).filter(([, codes]) => codes.length);
    const passes = (line) => ticked.every(([name, codes]) => codes.includes(codeOf(name, line)));
    const lines = Array.from({ length: data.jobs }, (_, line) => line).filter(passes);
    return { ...Object.fromEntries(given), lines };
  }

  // What the picture shows: `rows` for Vega, one a job and one a measurement of it, and what there is to say of them.
  function found({ x, y, colour, panels, lines }) {
    const xOf = (line) => (x in figures ? figureOf(x, line) : textOf(x, line));
    const present = lines.filter((line) => figureOf(y, line) !== null && xOf(line) !== null);
    const differ = (name) => present.some((line) => codeOf(name, line) !== codeOf(name, present[0]));
    const mixed = names.filter((name) => ![x, colour, panels].includes(name) && differ(name));
    const others = mixed.filter((name) => !factors[name].seed);
    const seriesOf = (line) => others.map((name) => codeOf(name, line)).join();
    const series = new Set(present.map((line) => [textOf(colour, line), textOf(panels, line), seriesOf(line)].join()));
    const lined = data.x[x].median?.type === "line";
    const separate = lined && series.size <= MOST_LINES;
    const ranged = present.length <= MOST_RANGES && present.some((line) => figureOf(`${y}_low`, line) !== null);
    const every = Math.ceil(present.length / MOST_POINTS);
    const rowOf = (line) => ({
      ...Object.fromEntries(names.map((name) => [name, textOf(name, line)])),
      line,
      x: xOf(line),
      y: figureOf(y, line),
      low: ranged ? figureOf(`${y}_low`, line) : null,
      high: ranged ? figureOf(`${y}_high`, line) : null,
      colour: textOf(colour, line),
      panel: textOf(panels, line),
      series: separate ? seriesOf(line) : "",
    });
    const jobs = present.map((line, place) => ({ ...rowOf(line), kind: "job", drawn: place % every === 0 }));
    const there = new Set(data.y[y]?.measured ? present : []);
    const measured = data.measured.filter((one) => there.has(one.line));
    const rows = [...jobs, ...measured.map((one) => ({ ...rowOf(one.line), ...one, kind: "measured" }))];
    return { rows, present, mixed, others, lined, separate, ranged, every, measured };
  }

  // The specification in data.picture, with the axes, colours and panels that are chosen.
  function pictureOf({ x, y, colour, panels, scale }, { rows, ranged, measured }, width) {
    const axis = data.x[x];
    const { title, lines } = data.y[y];
    const spec = structuredClone(data.picture);
    const layer = Object.fromEntries(spec.layer.map((one) => [one.name, one]));
    const without = { ranges: !ranged, medians: !axis.median, spreads: !measured.length, measured: !measured.length };
    const tooltip = [
      { field: "y", title, type: "quantitative" },
      ...(ranged ? ["low", "high"].map((field) => ({ field, type: "quantitative" })) : []),
      ...names.map((field) => ({ field, title: factors[field].label })),
    ];
    const type = scale === "log" ? "log" : "linear";
    spec.encoding = {
      x: axis.channel,
      y: { field: "y", type: "quantitative", title: lines, scale: { type, zero: scale === "zero" } },
      color: data.colour[colour].color,
    };
    if (colour && axis.median?.type === "tick")
      spec.encoding.xOffset = { field: "colour", scale: { domain: factors[colour].texts } };
    if (!colour) delete layer.jobs.params.find(({ bind }) => bind).bind;
    Object.assign(layer.jobs.encoding, { shape: data.colour[colour].shape, tooltip });
    layer.measured.encoding.tooltip = [{ field: "measured" }, ...tooltip];
    layer.medians.mark = axis.median;
    spec.layer = spec.layer.filter((one) => !without[one.name]);
    if (!panels) return { data: { values: rows }, height: 380, ...FIT, ...spec };
    const used = factors[panels].texts.filter((text) => rows.some(({ panel }) => panel === text));
    const columns = Math.max(1, Math.min(used.length, Math.floor(width / PANEL)));
    return {
      data: { values: rows },
      columns,
      spacing: GAP,
      facet: { field: "panel", type: "nominal", title: factors[panels].label, sort: used },
      spec: { width: (width - 50) / columns - GAP, height: used.length > columns ? 250 : 330, ...spec },
    };
  }

  // What the picture leaves unsaid: what its lines stand for, and what it does not draw.
  function sayOf({ y, lines }, { rows, present, mixed, others, lined, separate, ranged, every, measured }) {
    const drawn = lined ? "Lines" : "Strokes";
    const seeds = others.length < mixed.length ? ", medians over seeds" : "";
    const range = data.y[y]?.range;
    const missing = lines.length - present.length;
    say(
      "picture-note",
      separate && others.length && `A line for each ${labelsOf(others)}${seeds}.`,
      separate && !others.length && `Lines join jobs that differ in nothing else${seeds}.`,
      !separate && mixed.length && `${drawn} are medians over jobs that differ in ${labelsOf(mixed)}.`,
      every > 1 && `Drawn is every ${every}th of ${counted(present.length)} jobs; medians are over all.`,
      ranged && `${range[0].toUpperCase()}${range.slice(1)}.`,
      range && present.length > MOST_RANGES && `Ranges are drawn for up to ${MOST_RANGES} jobs.`,
      measured.length && "Strokes in the colour of the text are measured, with the spread of the repetitions.",
      missing && `${missing} of the jobs shown have no such figure.`,
      rows.length && "Drag over points, or click in the legend: the table shows their jobs. A double click ends it.",
    );
  }

  // Stacked bars of what colour and x tell apart, in panels.
  function barsOf({ x, colour, panels, split, lines }, width) {
    const { parts, spec } = data.splits[split] ?? { parts: {} };
    const keys = Object.keys(parts);
    const roles = [...new Set([panels, colour, x])].filter((name) => name in factors);
    const barOf = (line) => roles.map((name) => codeOf(name, line)).join();
    const inOrder = (a, b) => roles.map((name) => codeOf(name, a) - codeOf(name, b)).find((apart) => apart) ?? a - b;
    const whole = lines.filter((line) => keys.every((key) => figureOf(key, line) !== null)).sort(inOrder);
    const bars = [...new Set(whole.map(barOf))];
    const drawn = new Set(bars.slice(0, MOST_BARS));
    const rowsOf = (line) => {
      const texts = roles.filter((name) => name !== panels).map((name) => factors[name].bars[codeOf(name, line)]);
      const row = { bar: texts.join(" · ") || "all jobs", panel: textOf(panels, line) };
      return keys.map((key, order) => ({ ...row, part: parts[key], order, value: figureOf(key, line) }));
    };
    const rows = whole.filter((line) => drawn.has(barOf(line))).flatMap(rowsOf);
    const more = `The first ${MOST_BARS} of ${bars.length} bars are drawn: filter, or choose other factors above.`;
    const means = rows.length > keys.length * drawn.size && "A bar is the mean of its jobs.";
    say("bars-note", means, rows.length && bars.length > MOST_BARS && more);
    if (!rows.length) return null;
    const extent = Math.min(0.5 * width, 20 + 7 * Math.max(...rows.map(({ bar }) => bar.length)));
    const { transform, ...view } = structuredClone(spec);
    view.width = width - extent - 30;
    view.encoding.y.axis = { minExtent: extent, maxExtent: extent, labelLimit: extent - 10 };
    const panelled = {
      columns: 1,
      spacing: 8,
      facet: { field: "panel", type: "nominal", title: null, sort: factors[panels]?.texts },
      spec: view,
      resolve: { scale: { y: "independent" } },
    };
    return { data: { values: rows }, transform, ...(panels ? panelled : view) };
  }

  // Draws into an element, one picture after another; without a specification it says why there is none.
  function drawer(id, nothing) {
    const element = document.getElementById(id);
    const description = element?.getAttribute("aria-label"); // Vega would put its own name in its place
    let before = Promise.resolve();
    return (specOf, drawn = () => {}) => {
      if (!element) return;
      const spec = specOf(element.clientWidth);
      before = before.then(async (last) => {
        last?.finalize();
        if (!spec) return element.replaceChildren(nothing);
        const legend = { ...data.config.legend, columns: Math.max(1, Math.floor(element.clientWidth / 180)) };
        const config = { ...data.config, legend };
        const tooltip = { disableDefaultStyle: true };
        const options = { mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, config, tooltip };
        const now = await vegaEmbed(element, { description, ...spec }, options);
        element.querySelector("svg").setAttribute("aria-hidden", "true"); // the element itself says what it shows
        drawn(now.view);
        return now;
      });
    };
  }

  // Whether a row lies in what a brush or the legend picks: numbers between two ends, texts in a list.
  function picks(selection, row) {
    return Object.entries(selection).every(([field, wanted]) => {
      if (!(field in row)) return true; // Vega's own
      if (typeof row[field] === "string") return wanted.includes(row[field]);
      return Math.min(...wanted) <= row[field] && row[field] <= Math.max(...wanted);
    });
  }

  function showJobs(lines) {
    const shown = new Set(lines);
    for (const { dataset, parentNode } of document.querySelectorAll("td.job"))
      parentNode.hidden = !shown.has(Number(dataset.line));
    say("shown", `${counted(shown.size)} of ${counted(data.jobs)} jobs shown`);
  }

  function openJob(line) {
    const cell = document.querySelector(`td.job[data-line="${line}"]`);
    if (!cell) return;
    cell.parentNode.hidden = false;
    cell.querySelector("details").open = true;
    cell.scrollIntoView({ block: "center" });
  }

  function drawAll() {
    const what = asked();
    const shown = found(what);
    const there = new Set(what.lines);
    showJobs(what.lines);
    sayOf(what, shown);
    const axes = [data.y[what.y]?.title, data.x[what.x].channel.title].filter(Boolean).join(" against ");
    const description = `${axes}, ${shown.present.length} jobs; the table has every value`;
    drawPicture((width) => shown.rows.length && { description, ...pictureOf(what, shown, width) }, (view) => {
      const picked = () => {
        const all = ["brush", "legend"].map((name) => view.signal(name));
        const some = all.some((selection) => Object.keys(selection).length);
        const rows = shown.rows.filter((row) => all.every((selection) => picks(selection, row)));
        showJobs(some ? rows.map(({ line }) => line) : what.lines);
      };
      for (const name of ["brush", "legend"]) view.addSignalListener(name, picked);
      view.addEventListener("click", (_, item) => item?.datum?.kind && openJob(item.datum.line));
    });
    drawBars((width) => barsOf(what, width));
    drawComparison(() => {
      const values = data.comparison.data.values.filter(({ line }) => there.has(line));
      return values.length && { ...data.comparison, data: { values } };
    });
  }

  function drawWhenResized() {
    let width = innerWidth;
    let timer = 0;
    addEventListener("resize", () => {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(timer);
      timer = setTimeout(drawAll, 150);
    });
  }

  form.addEventListener("change", drawAll);
  form.addEventListener("reset", () => setTimeout(drawAll)); // once the form is reset
  drawWhenResized();
  drawAll();
})();
