// Where the time of a step goes, as stacked bars and as a table.

const NAMES = {
  compute: "compute",
  contention: "bubble: contention",
  transfer: "bubble: bytes alone",
  gap: "bubble: gaps",
  host: "bubble: host",
};
const FILLS = { compute: "moe", contention: "contention", transfer: "transfer", gap: "gap", host: "host" };
const BARS = { apart: 54, height: 22, below: 20 };

function drawSplit(view) {
  const width = widthOf("split");
  const most = Math.max(view.plain.step, view.batched.step);
  const shapes = [];
  [["default copies", view.plain], ["batched copies", view.batched]].forEach(([name, answer], row) => {
    const top = row * BARS.apart;
    const bold = { "text-anchor": "end", "font-weight": 600 };
    shapes.push(label(0, top + 13, name), label(width, top + 13, `${milliseconds(answer.step)} ms`, bold));
    let x = 0;
    for (const part of PARTS.filter((each) => answer[each])) {
      const long = (answer[part] / most) * width;
      const edge = { stroke: "var(--ground)", "stroke-width": 1 };
      shapes.push(box(x, top + BARS.below, long, BARS.height, FILLS[part], edge));
      x += long;
    }
  });
  show("split", 2 * BARS.apart - 6, splitInWords(view), shapes);
  showParts(view);
}

function showParts(view) {
  const row = (name, part, style = {}) => {
    const head = made("th", { scope: "row" }, ...(FILLS[part] ? [swatch(FILLS[part])] : []), name);
    const figures = [view.plain, view.batched].map((answer) => milliseconds(answer[part]));
    return made("tr", style, head, ...figures.map((words) => made("td", { class: "number" }, words)));
  };
  const rows = PARTS.map((part) => row(NAMES[part], part));
  rows.push(row("a step", "step", { class: "sum" }), row("a layer's prefetch", "prefetch"));
  const heads = ["default", "batched"].map((words) => made("th", { scope: "col", class: "number" }, words));
  document.querySelector("#parts thead").replaceChildren(made("tr", {}, made("td", {}, "ms"), ...heads));
  document.querySelector("#parts tbody").replaceChildren(...rows);
}

function splitInWords(view) {
  const said = (answer) =>
    PARTS.filter((part) => answer[part]).map((part) => `${NAMES[part]} ${milliseconds(answer[part])} ms`).join(", ");
  return `Default copies: ${said(view.plain)}. Batched copies: ${said(view.batched)}.`;
}
