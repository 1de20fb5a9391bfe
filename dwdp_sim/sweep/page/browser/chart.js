// A Vega-Lite picture in the page's colours, with its tooltip; what it shows also stands in the table.

const COLOURS = 8;
const SHAPES = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
  "triangle-right",
  "triangle-left",
];
const pictures = new Map(); // container -> what vegaEmbed made in it
const probe = make("span", { hidden: true });
document.body.append(probe);

function colour(name) {
  probe.style.color = `var(--${name})`;
  return getComputedStyle(probe).color;
}

function palette(count) {
  return Array.from({ length: count }, (_, place) => colour(`c${(place % COLOURS) + 1}`));
}

function shapes(count) {
  return Array.from({ length: count }, (_, place) => SHAPES[(place + Math.floor(place / COLOURS)) % SHAPES.length]);
}

function theme() {
  const [text, soft, grid] = ["text", "soft", "grid"].map(colour);
  const font = "system-ui, sans-serif";
  const labels = {
    labelColor: text,
    titleColor: text,
    labelFontSize: 12,
    titleFontSize: 12,
    labelFont: font,
    titleFont: font,
  };
  return {
    background: null,
    font,
    view: { stroke: grid },
    axis: {
      ...labels,
      titleFontWeight: 500,
      gridColor: grid,
      domainColor: soft,
      tickColor: soft,
      labelLimit: 220,
      titleLimit: 700,
    },
    legend: {
      ...labels,
      symbolSize: 90,
      symbolOpacity: 1,
      labelLimit: 240,
      orient: "top",
      direction: "horizontal",
      columns: 0,
    },
    header: { ...labels, labelFontWeight: 600, titleFontWeight: 400, labelLimit: 300 },
    text: { color: text, font },
  };
}

// Draws `spec` into the container and tells `onClick` which job was clicked.
async function draw(container, spec, description, onClick = () => {}) {
  pictures.get(container)?.finalize();
  const picture = await vegaEmbed(makeFrame(container, description), spec, {
    mode: "vega-lite",
    renderer: "canvas",
    actions: false,
    defaultStyle: false,
    config: theme(),
    tooltip: showTip,
  });
  pictures.set(container, picture);
  picture.view.addEventListener("click", (_, item) => {
    if (item && item.datum && Number.isInteger(item.datum.line)) onClick(item.datum.line);
  });
}

function makeFrame(container, description) {
  const frame = make("div", { role: "img", "aria-label": description });
  container.replaceChildren(frame);
  return frame;
}

function clear(container, text) {
  pictures.get(container)?.finalize();
  pictures.delete(container);
  container.replaceChildren(make("p", { className: "soft", textContent: text }));
}

function showTip(_, event, item, value) {
  const tip = document.getElementById("tip");
  tip.hidden = !value;
  if (!value) return;
  tip.textContent = typeof value === "object" ? Object.values(value).join("\n") : String(value);
  const { clientX, clientY } = event;
  tip.style.left = `${Math.min(clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}
