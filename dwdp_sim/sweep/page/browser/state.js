// What the jobs are, which of them are shown, and what the address says about it.

const data = JSON.parse(document.getElementById("data").textContent);
const factors = new Map(data.factors.map((factor) => [factor.name, factor]));
const measures = new Map(data.measures.map((measure) => [measure.name, measure]));
for (const measure of measures.values()) {
  measure.values = data.columns[measure.name];
  measure.scale = scaleOf(measure.unit, measure.values);
}

const FIRST = { ...data.start, scale: "zero", sort: data.start.y, descending: false, search: "" };
const view = { ...FIRST };
const wanted = new Map(); // factor -> set of codes (any of them), or [first, last] code of numbers
const listeners = [];
let shown = [];

const everyJob = data.jobs.map((_, line) => line);
const commands = data.commands.lines.map((words) => words.map((word) => data.commands.words[word]).join(" "));

function byRange(factor) {
  return factor.numeric && factor.values.length > 12;
}

function passes(factor, line) {
  const want = wanted.get(factor.name);
  if (!want) return true;
  const code = factor.codes[line];
  return byRange(factor) ? want[0] <= code && code <= want[1] : want.has(code);
}

// Jobs that pass all filters but that of `except`.
function matching(except = null) {
  const asked = data.factors.filter((factor) => factor !== except && wanted.has(factor.name));
  const search = view.search.toLowerCase();
  return everyJob.filter(
    (line) =>
      asked.every((factor) => passes(factor, line)) && (!search || commands[line].toLowerCase().includes(search)),
  );
}

// To be called after any change of `view` or `wanted`.
function changed(what) {
  shown = matching();
  writeAddress();
  for (const listener of listeners) listener(what);
}

function writeAddress() {
  const parts = new URLSearchParams();
  for (const [name, want] of wanted)
    parts.set(`only.${name}`, [...want].map((code) => factors.get(name).texts[code]).join("|"));
  for (const [name, value] of Object.entries(view)) {
    if (value !== FIRST[name]) parts.set(name, value);
  }
  const text = parts.toString();
  history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
}

function readAddress() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
    const factor = factors.get(name.replace(/^only\./, ""));
    if (name.startsWith("only.") && factor) {
      const codes = value
        .split("|")
        .map((text) => factor.texts.indexOf(text))
        .filter((code) => code >= 0);
      if (codes.length) wanted.set(factor.name, byRange(factor) ? [codes[0], codes[codes.length - 1]] : new Set(codes));
    } else if (name in view) {
      view[name] = name === "descending" ? value === "true" : value;
    }
  }
}
