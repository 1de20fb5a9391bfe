// A few layers of every rank under both strategies, on one clock.

const LANES = { left: 44, right: 6, title: 22, between: 8, axis: 34 };
const LEGEND = {
  dense: "dense layers, attention",
  moe: "MoE",
  bubble: "bubble: waits for experts",
  alone: "prefetch, as its bytes alone",
  shared: "prefetch, lost to others and gaps",
};
const OVER = "its steps are over";
const NAMED = 46; // least width of a piece with a name in it, pixels

function drawTimeline(view) {
  const { left, right, title, between, axis } = LANES;
  const width = widthOf("timeline");
  const across = width - left - right;
  const tall = view.setup.ranks > 4 ? 30 : 36; // of a rank
  const shapes = [];
  let top = 0;
  for (const [name, answer] of [["default copies", view.plain], [`batches of ${view.size}`, view.batched]]) {
    shapes.push(label(0, top + 14, `${name}: ${milliseconds(answer.step)} ms a step`, { "font-weight": 600 }));
    top += title;
    for (const [rank, layers] of answer.layers.entries()) {
      shapes.push(label(0, top + tall / 2, `rank ${rank}`, { class: "faint" }));
      shapes.push(...lanesOf(layers, (place) => left + place * across, top, tall));
      const until = layers.at(-1)?.ended ?? 0;
      if (until < 0.75) shapes.push(label(left + until * across + 8, top + tall / 2, OVER, { class: "faint" }));
      top += tall;
    }
    top += between;
  }
  const span = view.span / 1000;
  for (const tick of ticks(0, span, width < 500 ? 4 : 8)) {
    const x = left + (tick / span) * across;
    shapes.unshift(line(x, title, x, top, "grid"));
    shapes.push(label(x, top + 12, tick, { "text-anchor": "middle", class: "faint" }));
  }
  shapes.push(label(left + across / 2, top + 28, "time, ms", { "text-anchor": "middle", class: "faint" }));
  show("timeline", top + axis, timelineInWords(view), shapes);
}

// A rank's compute above its prefetches.
function lanesOf(layers, x, top, tall) {
  const compute = { top, high: tall * 0.4 };
  const pulls = { top: top + tall * 0.4 + 2, high: tall * 0.36 };
  const shapes = [];
  const piece = (from, to, lane, colour, share = 1) => {
    if (to <= from) return;
    shapes.push(box(x(from), lane.top + lane.high * (1 - share), x(to) - x(from), lane.high * share, colour));
  };
  const end = (at, lane) => shapes.push(line(x(at), lane.top, x(at), lane.top + lane.high, "ground"));
  layers.forEach((one, place) => {
    const before = place ? Math.min(layers[place - 1].ended, one.ready) : one.ready; // a step's dense layers
    piece(before, one.needed, compute, "dense");
    piece(one.needed, one.had, compute, "bubble");
    piece(one.had, one.ended, compute, "moe");
    piece(one.pulls, one.pulled, pulls, "shared");
    piece(one.pulls, one.pulled, pulls, "alone", one.alone);
    if (one.had < one.ended) end(one.ended, compute);
    if (one.pulls < one.pulled) end(one.pulled, pulls);
    if (x(one.ended) - x(one.had) > NAMED) {
      const where = [x((one.had + one.ended) / 2), top + compute.high - 3];
      shapes.push(label(...where, `MoE ${one.layer}`, { "text-anchor": "middle", class: "on-piece" }));
    }
  });
  return shapes;
}

function timelineInWords(view) {
  const waits = ({ compute, step }) => percent(1 - compute / step, false);
  const both = `${waits(view.plain)} of a step with default copies and ${waits(view.batched)} with batches`;
  return `Lanes of ${view.setup.ranks} ranks. They wait for experts in ${both}.`;
}

function showLegend() {
  const entries = Object.entries(LEGEND).map(([colour, words]) => made("li", {}, swatch(colour), words));
  document.getElementById("legend").replaceChildren(...entries);
}

function swatch(colour) {
  return made("span", { class: `swatch ${colour}` });
}
