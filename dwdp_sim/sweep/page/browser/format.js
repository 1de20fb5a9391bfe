// Numbers for people: one unit a column, four significant figures.

const SCALES = {
  s: [
    [1, "s"],
    [1e-3, "ms"],
    [1e-6, "µs"],
    [1e-9, "ns"],
  ],
  bytes: [
    [1e12, "TB"],
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
    [1, "B"],
  ],
  per_s: [[1, "1/s"]],
  share: [[1e-2, "%"]],
  ratio: [[1, ""]],
};

// The factor and the sign of the unit in which the middle of `values` reads best.
function scaleOf(unit, values) {
  const sizes = values
    .filter((value) => value)
    .map(Math.abs)
    .sort((a, b) => a - b);
  const middle = sizes.length ? sizes[sizes.length >> 1] : 1;
  return SCALES[unit].find(([size]) => middle >= size) || SCALES[unit][SCALES[unit].length - 1];
}

function number(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const text = Math.abs(value) >= 1e4 ? Math.round(value).toLocaleString("en") : value.toPrecision(4);
  return text.replace("-", "−");
}

function withUnit(measure, value) {
  return `${number(value === null ? null : value / measure.scale[0])} ${measure.scale[1]}`.trim();
}

function titled(measure) {
  return measure.scale[1] ? `${measure.label} (${measure.scale[1]})` : measure.label;
}

function median(values) {
  const rising = [...values].sort((a, b) => a - b);
  const half = rising.length >> 1;
  return rising.length % 2 ? rising[half] : (rising[half - 1] + rising[half]) / 2;
}

// An element with properties and children; text goes in as text, never as HTML.
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}
