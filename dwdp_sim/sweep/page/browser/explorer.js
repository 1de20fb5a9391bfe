// The main picture: a figure against a factor or another figure, by colour and in panels.

const MOST_POINTS = 5000;
const MOST_RANGES = 600;
const MOST_SERIES = 60;
const MOST_TICKS = 9;

const chosen = (role) => factors.get(view[role]) || null;

function panelText(factor, code) {
  return `${factor.label}: ${factor.texts[code]}`;
}

function panelsOf(factor) {
  return factor ? factor.texts.map((_, code) => panelText(factor, code)) : [];
}

function describe(line) {
  const parts = data.factors.map((factor) => `${factor.label}: ${factor.texts[factor.codes[line]]}`);
  return parts.join("\n");
}

// Factors in which the jobs at one place of the picture still differ.
function mixedOf(lines) {
  const roles = new Set([view.x, view.colour, view.panels]);
  const differ = (factor) => lines.some((line) => factor.codes[line] !== factor.codes[lines[0]]);
  return data.factors.filter((factor) => !roles.has(factor.name) && differ(factor));
}

// One record a job, one for each point of a line, and one a measured row; `kind` says which.
function records() {
  const y = measures.get(view.y);
  const [x, colourBy, panels] = ["x", "colour", "panels"].map(chosen);
  const xMeasure = measures.get(view.x);
  const place = (line) => ({
    x: xMeasure ? scaled(xMeasure, xMeasure.values[line]) : x ? x.values[x.codes[line]] : null,
    xt: x ? x.texts[x.codes[line]] : "all jobs",
    c: colourBy ? colourBy.texts[colourBy.codes[line]] : "",
    panel: panels ? panelText(panels, panels.codes[line]) : "",
  });
  const lines = shown.filter((line) => y.values[line] !== null && (!xMeasure || xMeasure.values[line] !== null));
  const mixed = mixedOf(lines);
  const step = Math.ceil(lines.length / MOST_POINTS) || 1;
  const jobs = lines
    .filter((_, position) => position % step === 0)
    .map((line) => ({
      kind: "job",
      line,
      ...place(line),
      y: scaled(y, y.values[line]),
      ...rangeOf(y, line),
      tip: `${withUnit(y, y.values[line])}  ${y.label}\n${rangeText(y, line)}${describe(line)}`,
    }));
  const ranged = jobs.length <= MOST_RANGES && jobs.some((job) => job.low !== null);
  if (!ranged) for (const job of jobs) job.low = job.high = null;
  const series = xMeasure || !x?.ordered ? [] : mixed.filter((factor) => factor.name !== "seed");
  const separate = new Set(lines.map((line) => seriesOf(place(line), line, series))).size <= MOST_SERIES;
  const medians = xMeasure ? [] : mediansOf(lines, place, y, separate ? series : []);
  return { jobs, medians, measured: measuredOf(lines, place, y), step, lines, ranged, mixed, separate };
}

// What a line of the picture has in common.
function seriesOf(at, line, series) {
  return [at.c, at.panel, ...series.map((factor) => factor.codes[line])].join("|");
}

function scaled(measure, value) {
  return value === null ? null : value / measure.scale[0];
}

function rangeOf(measure, line) {
  const [low, high] = [measure.low, measure.high].map((name) => (name ? data.columns[name][line] : null));
  return { low: scaled(measure, low), high: scaled(measure, high) };
}

function rangeText(measure, line) {
  const { low, high } = rangeOf(measure, line);
  return low === null || low === high ? "" : `range ${number(low)} – ${number(high)} ${measure.scale[1]}\n`;
}

function mediansOf(lines, place, y, series) {
  const groups = new Map();
  for (const line of lines) {
    const at = { ...place(line), series: seriesOf(place(line), line, series) };
    const key = JSON.stringify([at.xt, at.series]);
    if (!groups.has(key)) groups.set(key, { at, values: [] });
    groups.get(key).values.push(y.values[line]);
  }
  return [...groups.values()].map(({ at, values }) => {
    const middle = median(values);
    return {
      kind: "median",
      ...at,
      y: scaled(y, middle),
      tip: `${withUnit(y, middle)}  median of ${values.length} jobs\n${at.c}\n${at.xt}`,
    };
  });
}

function measuredOf(lines, place, y) {
  if (y.name !== "prefetch_latency_mean_s") return [];
  const visible = new Set(lines);
  return data.measured
    .filter((one) => visible.has(one.line))
    .map((one) => ({
      kind: "measured",
      line: one.line,
      ...place(one.line),
      y: scaled(y, one.y),
      low: scaled(y, one.low),
      high: scaled(y, one.high),
      tip: `${withUnit(y, one.y)}  measured, ${one.source}\n${one.case}\npredicted here ${withUnit(y, one.predicted)}`,
    }));
}

function explorerSpec(found, width) {
  const panels = chosen("panels");
  const used = panelsOf(panels).filter((text) => found.jobs.some((job) => job.panel === text));
  const across = panels ? Math.max(1, Math.min(used.length, Math.floor(width / 330))) : 1;
  const inner = Math.max(180, Math.floor(width / across) - (across > 1 ? 64 : 84));
  const base = { width: inner, height: used.length > across ? 230 : 330, layer: layers(found) };
  const values = [...found.medians, ...found.jobs, ...found.measured];
  if (!panels) return { data: { values }, ...base };
  const { width: w, height, layer } = base;
  return {
    data: { values },
    columns: across,
    facet: { field: "panel", type: "nominal", title: null, sort: used },
    spec: { width: w, height, layer },
  };
}

function layers(found) {
  const y = measures.get(view.y);
  const colourBy = chosen("colour");
  const only = (kind, more = "") => [{ filter: `datum.kind === '${kind}'${more}` }];
  const scale = { type: view.scale === "log" ? "log" : "linear", zero: view.scale === "zero" };
  const encoding = {
    ...xEncoding(),
    y: { field: "y", type: "quantitative", scale, title: titled(y) },
    tooltip: { field: "tip" },
  };
  const ends = { y: { ...encoding.y, field: "low" }, y2: { field: "high" } };
  const { color, shape } = colours(colourBy);
  const many = found.jobs.length > 1000;
  const lined = chosen("x")?.ordered || false;
  const mark = lined ? { type: "line", strokeWidth: 1.6 } : { type: "tick", thickness: 3, size: 26 };
  const list = [
    { transform: only("median"), mark, encoding: { ...encoding, color, detail: { field: "series" } } },
    {
      transform: only("job"),
      mark: { type: "point", filled: true, size: many ? 18 : 55, opacity: many ? 0.35 : 0.85, cursor: "pointer" },
      encoding: { ...encoding, color, shape },
    },
  ];
  if (found.jobs.some((job) => job.low !== null)) {
    list.unshift({
      transform: only("job", " && datum.low !== null"),
      mark: { type: "rule", opacity: 0.45, strokeWidth: 2 },
      encoding: { ...encoding, ...ends, color },
    });
  }
  if (found.measured.length) {
    const ink = { value: colour("text") };
    list.push({
      transform: only("measured"),
      mark: { type: "rule", strokeWidth: 1.5 },
      encoding: { ...encoding, ...ends, color: ink },
    });
    list.push({
      transform: only("measured"),
      mark: { type: "point", shape: "stroke", size: 260, strokeWidth: 2.5 },
      encoding: { ...encoding, color: ink },
    });
  }
  return list;
}

function colours(factor) {
  if (!factor) return { color: { value: colour("c1") }, shape: { value: "circle" } };
  const domain = factor.texts;
  const field = { field: "c", type: "nominal", title: factor.label };
  return {
    color: { ...field, scale: { domain, range: palette(domain.length) } },
    shape: { ...field, scale: { domain, range: shapes(domain.length) } },
  };
}

function xEncoding() {
  const measure = measures.get(view.x);
  if (measure) return { x: { field: "x", type: "quantitative", scale: { zero: false }, title: titled(measure) } };
  const factor = chosen("x");
  if (!factor || !factor.numeric) {
    const x = {
      field: "xt",
      type: "nominal",
      sort: factor ? factor.texts : null,
      title: factor ? factor.label : null,
      axis: { labelAngle: factor && factor.texts.length > 5 ? -35 : 0 },
    };
    const colourBy = factor?.ordered ? null : chosen("colour");
    return colourBy ? { x, xOffset: { field: "c", type: "nominal", scale: { domain: colourBy.texts } } } : { x };
  }
  const least = factor.values[0];
  const type = least > 0 && factor.values[factor.values.length - 1] / least >= 16 ? "log" : "linear";
  const every = Math.ceil(factor.values.length / MOST_TICKS);
  const ticks = factor.values.map((value, code) => [value, factor.texts[code]]).filter((_, code) => code % every === 0);
  const axis = {
    values: ticks.map(([value]) => value),
    labelExpr: `(${JSON.stringify(Object.fromEntries(ticks))})[datum.value]`,
    labelOverlap: true,
    grid: false,
  };
  return {
    x: {
      field: "x",
      type: "quantitative",
      scale: type === "log" ? { type, nice: false, padding: 16 } : { zero: false, nice: false, padding: 16 },
      axis,
      title: factor.label,
    },
  };
}

// What the picture leaves unsaid: what lines mix, what is not drawn.
function explorerNote(found) {
  const names = (list) => list.map((factor) => factor.label).join(", ");
  const parts = [];
  if (found.medians.length && chosen("x")?.ordered && found.separate) {
    const seeds = found.mixed.some((factor) => factor.name === "seed") ? ", medians over seeds" : "";
    const others = found.mixed.filter((factor) => factor.name !== "seed");
    parts.push(
      others.length
        ? `A line for each ${names(others)}${seeds}.`
        : `Lines join jobs that differ in nothing else${seeds}.`,
    );
  } else if (found.medians.length && found.mixed.length) {
    parts.push(
      `${chosen("x")?.ordered ? "Lines" : "Strokes"} are medians over jobs that differ in ${names(found.mixed)}.`,
    );
  }
  if (found.step > 1)
    parts.push(
      `Drawn is every ${found.step}th of ${found.lines.length.toLocaleString("en")} jobs; medians are over all.`,
    );
  const measure = measures.get(view.y);
  if (measure.low && (found.ranged || found.jobs.length > MOST_RANGES))
    parts.push(
      found.ranged
        ? `${measure.meaning[0].toUpperCase()}${measure.meaning.slice(1)}.`
        : `Ranges are drawn for up to ${MOST_RANGES} jobs.`,
    );
  if (found.measured.length)
    parts.push("Strokes in the colour of the text are measured, with the spread of the repetitions.");
  const without = shown.length - found.lines.length;
  if (without) parts.push(`${without} of the jobs shown have no such figure.`);
  return parts.join(" ");
}

function drawExplorer() {
  const container = document.getElementById("explorer");
  const found = records();
  document.getElementById("explorer-note").textContent = found.lines.length ? explorerNote(found) : "";
  if (!found.lines.length) return clear(container, "No job passes the filters and has this figure.");
  const against = (measures.get(view.x) || chosen("x"))?.label || "all jobs";
  const what = `${titled(measures.get(view.y))} against ${against}`;
  const text = `${what}, ${found.lines.length} jobs. The table below has every value.`;
  return draw(container, explorerSpec(found, container.clientWidth), text, openJob);
}
