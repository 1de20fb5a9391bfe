// Elements, and pictures as wide as the place that they are drawn in, so that text keeps its size on every screen.

function made(name, attributes = {}, ...content) {
  return filled(document.createElement(name), attributes, content);
}

function drawn(name, attributes = {}, ...content) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, content);
}

function filled(element, attributes, content) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...content);
  return element;
}

// Colours are names of the style sheet.
function box(x, y, width, height, colour, more = {}) {
  const [left, top, wide, high] = [x, y, Math.max(width, 0), height].map((size) => size.toFixed(1));
  return drawn("rect", { x: left, y: top, width: wide, height: high, style: `fill: var(--${colour})`, ...more });
}

function line(x1, y1, x2, y2, colour, more = {}) {
  return drawn("line", { x1, y1, x2, y2, style: `stroke: var(--${colour})`, ...more });
}

function dot(cx, cy, r, colour, more = "") {
  return drawn("circle", { cx, cy, r, style: `fill: var(--${colour}); ${more}` });
}

function label(x, y, words, more = {}) {
  return drawn("text", { x, y, ...more }, String(words));
}

// Put a picture into its place; its description is for those who do not see it.
function show(id, height, description, shapes) {
  const size = { viewBox: `0 0 ${widthOf(id)} ${height}` };
  const picture = drawn("svg", { class: "marks", role: "img", "aria-label": description, ...size }, ...shapes);
  document.getElementById(id).replaceChildren(picture);
}

function widthOf(id) {
  return Math.max(Math.round(document.getElementById(id).clientWidth), 240);
}

// Round numbers from low to high, about so many.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const from = Math.ceil(low / step - 1e-9);
  const steps = Math.floor(high / step + 1e-9) - from;
  return Array.from({ length: steps + 1 }, (_, at) => Number(((from + at) * step).toPrecision(6)));
}
