// The gain at every load: a dot for each hypothesis, bars over all of them, the chosen ones large.

const GAINS = { height: 350, left: 46, right: 10, top: 20, bottom: 52, least: [-0.02, 0.06] };

function drawGains(view, choose) {
  const { height, left, right, top, bottom, least } = GAINS;
  const width = widthOf("gains");
  const column = (width - left - right) / grid.tokens.length;
  const deep = height - top - bottom;
  const { low, high } = rangeOf([...view.gains.flat(), ...least.map((gain) => ({ gain }))]);
  const margin = 0.08 * (high - low);
  const y = (gain) => top + ((high + margin - gain) / (high - low + 2 * margin)) * deep;
  const x = (load) => left + (load + 0.5) * column;
  const shapes = [box(left + view.load * column, top, column, deep, "panel")];
  for (const tick of ticks(low - margin, high + margin, 6)) {
    shapes.push(line(left, y(tick), width - right, y(tick), tick ? "grid" : "soft"));
    shapes.push(label(left - 6, y(tick) + 4, percent(tick).replace(".0", ""), { "text-anchor": "end" }));
  }
  const points = view.gains.map((gains, load) => `${x(load)},${y(gains[view.hypothesis].gain)}`);
  const dotted = "fill: none; stroke: var(--chosen); stroke-dasharray: 2 4";
  shapes.push(drawn("polyline", { points: points.join(" "), style: dotted }));
  view.gains.forEach((gains, load) => shapes.push(...columnOf(view, gains, load, x(load), y, column)));
  shapes.push(label(left, 11, "faster by", { class: "faint" }));
  shapes.push(label(width / 2, height - 4, "tokens a step", { class: "faint", "text-anchor": "middle" }));
  grid.tokens.forEach((tokens, load) => {
    const place = box(left + load * column, top, column, deep, "ground", { "fill-opacity": 0, cursor: "pointer" });
    place.addEventListener("click", () => choose({ tokens: String(tokens) }));
    shapes.push(place);
  });
  show("gains", height, gainsInWords(view), shapes);
}

function columnOf(view, gains, load, x, y, column) {
  const { height, bottom, top } = GAINS;
  const { low, high } = rangeOf(gains);
  const { gain, half } = gains[view.hypothesis];
  const within = (value) => Math.min(Math.max(y(value), top), height - bottom);
  const wide = Math.min(column * 0.5, 34);
  const here = load === view.load;
  const middle = { "text-anchor": "middle" };
  const shapes = [
    box(x - wide / 2, y(high), wide, Math.max(y(low) - y(high), 2), "shared"),
    line(x, within(gain - half), x, within(gain + half), "chosen", { "stroke-width": 1.5 }),
    ...gains.map((one) => dot(x, y(one.gain), 2.5, "alone")),
    dot(x, y(gain), here ? 7 : 5, "chosen", "stroke: var(--ground); stroke-width: 1.5"),
    label(x, height - bottom + 15, `${grid.tokens[load] / 1024}K`, { ...middle, "font-weight": here ? 700 : 400 }),
    label(x, height - bottom + 29, `r ${view.ratios[load].toFixed(1)}`, { ...middle, class: "faint" }),
  ];
  const beside = load === grid.tokens.length - 1 ? [x - 11, "end"] : [x + 11, "start"];
  if (here) shapes.push(label(beside[0], y(gain) + 4, percent(gain), { class: "value", "text-anchor": beside[1] }));
  return shapes;
}

function gainsInWords(view) {
  const points = view.gains.map((gains, load) => {
    const { low, high } = rangeOf(gains);
    const over = `${percent(low)} to ${percent(high)} over hypotheses`;
    return `${counted(grid.tokens[load])} tokens: ${percent(gains[view.hypothesis].gain)}, ${over}`;
  });
  return `Gain of batched copies by tokens a step. ${points.join("; ")}.`;
}
