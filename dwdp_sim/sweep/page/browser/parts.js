// Where the time goes: stacked bars, one for each value of what the main picture distinguishes.

const MOST_BARS = 40;

function barsOf(group) {
  const panels = chosen("panels");
  const roles = [...new Set([view.colour, view.x])]
    .filter((name) => name !== view.panels)
    .map((name) => factors.get(name))
    .filter(Boolean);
  const bars = new Map();
  for (const line of shown) {
    const values = group.names.map((name) => data.columns[name][line]);
    if (values.includes(null)) continue;
    const codes = [...(panels ? [panels] : []), ...roles].map((factor) => factor.codes[line]);
    const key = codes.map((code) => String(code).padStart(6, "0")).join();
    if (!bars.has(key))
      bars.set(key, {
        key,
        count: 0,
        sums: values.map(() => 0),
        panel: panels ? panelText(panels, panels.codes[line]) : "",
        label: roles.map((factor) => shortText(factor, factor.codes[line])).join(" · ") || "all jobs",
      });
    const bar = bars.get(key);
    bar.count += 1;
    values.forEach((value, at) => {
      bar.sums[at] += value;
    });
  }
  return [...bars.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

function shortText(factor, code) {
  const text = factor.texts[code];
  return factor.numeric && factor.name === "dwdp_size" ? `N = ${text}` : text;
}

function drawParts() {
  const container = document.getElementById("parts");
  const group = data.parts[Number(document.getElementById("parts-of").value) || 0];
  const all = group ? barsOf(group) : [];
  const note = document.getElementById("parts-note");
  note.textContent = "";
  if (!all.length) return clear(container, "No job shown has these parts.");
  const bars = all.slice(0, MOST_BARS);
  const most = Math.max(...all.map((bar) => bar.count));
  note.textContent = [
    most > 1 ? `A bar is the mean of up to ${most} jobs.` : "",
    all.length > bars.length
      ? `The first ${MOST_BARS} of ${all.length} bars are drawn: filter, or choose other factors above.`
      : "",
  ]
    .join(" ")
    .trim();
  const totals = bars.map((bar) => bar.sums.reduce((a, b) => a + b) / bar.count);
  const measure = { scale: scaleOf("s", totals) };
  const values = bars.flatMap((bar, row) =>
    group.labels.map((part, order) => {
      const value = bar.sums[order] / bar.count;
      const share = `${number((100 * value) / totals[row])} %`;
      const tip = `${withUnit(measure, value)}  ${part}, ${share}\n${bar.label}\n${bar.count} jobs`;
      return { bar: bar.label, panel: bar.panel, part, order, value: scaled(measure, value), tip };
    }),
  );
  const panels = chosen("panels");
  const unit = {
    width: Math.max(200, container.clientWidth - 270),
    height: { step: 19 },
    mark: { type: "bar", height: { band: 0.8 }, stroke: colour("ground"), strokeWidth: 0.5 },
    encoding: {
      y: {
        field: "bar",
        type: "nominal",
        sort: [...new Set(bars.map((bar) => bar.label))],
        title: null,
        axis: { labelLimit: 230 },
      },
      x: { field: "value", type: "quantitative", title: `time (${measure.scale[1]})` },
      color: {
        field: "part",
        type: "nominal",
        title: null,
        scale: { domain: group.labels, range: palette(group.labels.length) },
      },
      order: { field: "order" },
      tooltip: { field: "tip" },
    },
  };
  const spec = panels
    ? {
        data: { values },
        columns: 1,
        spacing: 8,
        facet: { field: "panel", type: "nominal", title: null, sort: panelsOf(panels) },
        spec: unit,
        resolve: { scale: { y: "independent" } },
      }
    : { data: { values }, ...unit };
  return draw(container, spec, `${group.title}: ${bars.length} bars of ${group.labels.join(", ")}`);
}

// Predicted against measured, with the line on which they are equal.
function drawMeasured() {
  const container = document.getElementById("measured");
  if (!container) return undefined;
  const visible = new Set(shown);
  const rows = data.measured.filter((one) => visible.has(one.line));
  if (!rows.length) return clear(container, "No job shown has a measured row.");
  const measure = {
    scale: scaleOf(
      "s",
      rows.map((one) => one.y),
    ),
  };
  const values = rows.map((one) => ({
    line: one.line,
    x: scaled(measure, one.y),
    y: scaled(measure, one.predicted),
    low: scaled(measure, one.low),
    high: scaled(measure, one.high),
    source: one.stable ? one.source : `${one.source}, unstable`,
    tip: [
      `predicted ÷ measured − 1: ${number(100 * (one.predicted / one.y - 1))} %`,
      `measured ${withUnit(measure, one.y)}`,
      `predicted ${withUnit(measure, one.predicted)}`,
      one.case,
      describe(one.line),
    ].join("\n"),
  }));
  const ends = values.flatMap((one) => [one.x, one.y, one.low, one.high]);
  const [least, largest] = [Math.min(...ends), Math.max(...ends)];
  const scale = {
    type: largest / least > 5 ? "log" : "linear",
    zero: false,
    domain: [least * 0.95, largest * 1.05],
    nice: false,
  };
  const at = (field, title) => ({ field, type: "quantitative", scale, title: `${title} (${measure.scale[1]})` });
  const sources = [...new Set(values.map((one) => one.source))];
  const color = {
    field: "source",
    type: "nominal",
    title: "measured",
    scale: { domain: sources, range: palette(sources.length) },
  };
  const shape = { ...color, scale: { domain: sources, range: shapes(sources.length) } };
  const y = at("y", "predicted");
  const size = Math.min(460, container.clientWidth - 90);
  const spec = {
    width: size,
    height: size,
    layer: [
      {
        data: { values: scale.domain.map((end) => ({ x: end, y: end })) },
        mark: { type: "line", color: colour("soft"), strokeDash: [5, 4] },
        encoding: { x: at("x", "measured"), y },
      },
      {
        data: { values },
        mark: { type: "rule", opacity: 0.6 },
        encoding: { x: at("low", "measured"), x2: { field: "high" }, y, color },
      },
      {
        data: { values },
        mark: { type: "point", filled: true, size: 60, cursor: "pointer" },
        encoding: { x: at("x", "measured"), y, color, shape, tooltip: { field: "tip" } },
      },
    ],
  };
  return draw(container, spec, `predicted against measured prefetch latency of ${rows.length} rows`, openJob);
}
