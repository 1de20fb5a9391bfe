// The table: every shown job, sorted by any column, a page at a time; a row opens into what is known of its job.

const PAGE = 50;
const FIRST_MEASURES = 6;
let page = 0;
let opened = null; // the job whose row is open
// What a column shows (`text`), sorts by (`key`) and saves (`value`); `on` is whether it is shown.
const columns = [...data.factors.map(factorColumn), ...data.measures.flatMap(measureColumns)];

function factorColumn(factor) {
  const text = (line) => factor.texts[factor.codes[line]];
  const value = (line) => factor.values[factor.codes[line]] ?? text(line);
  return {
    name: factor.name,
    label: factor.label,
    meaning: factor.meaning,
    text,
    value,
    key: (line) => factor.codes[line],
    on: true,
  };
}

function measureColumns(measure, place) {
  const { name, meaning } = measure;
  const value = (line) => measure.values[line];
  const on = name === view.y || (place < FIRST_MEASURES && new Set(measure.values).size > 1);
  const own = {
    name,
    meaning,
    label: titled(measure),
    numeric: true,
    text: (line) => number(scaled(measure, value(line))),
    value,
    key: value,
    on,
  };
  return measure.low ? [own, rangeColumn(measure, on && data.columns[measure.low].some((end) => end !== null))] : [own];
}

function rangeColumn(measure, on) {
  const text = (line) => {
    const { low, high } = rangeOf(measure, line);
    return low === null ? "–" : `${number(low)} – ${number(high)}`;
  };
  const key = (line) => {
    const { low, high } = rangeOf(measure, line);
    return low === null ? null : high - low;
  };
  const value = (line) =>
    [measure.low, measure.high]
      .map((end) => data.columns[end][line])
      .filter((end) => end !== null)
      .join(" ");
  const meaning = `${measure.meaning}; sorted by its width`;
  return {
    name: `${measure.name} range`,
    label: `its range (${measure.scale[1]})`,
    meaning,
    numeric: true,
    text,
    value,
    key,
    on,
  };
}

function sorted() {
  const { key } =
    columns.find((column) => column.name === view.sort) || columns.find((column) => column.name === data.start.y);
  const sign = view.descending ? -1 : 1;
  return [...shown].sort((a, b) => {
    const [first, second] = [key(a), key(b)];
    if (first === null || second === null) return (first === null) - (second === null); // without a value: last
    return sign * (first - second) || a - b;
  });
}

function makeTable() {
  const pick = document.getElementById("pick");
  for (const column of columns) {
    const input = make("input", { type: "checkbox", checked: Boolean(column.on) });
    input.addEventListener("change", () => {
      column.on = input.checked;
      drawTable();
    });
    pick.append(make("label", { title: column.meaning }, input, ` ${column.label}`));
  }
  document.getElementById("previous").addEventListener("click", () => turn(-1));
  document.getElementById("next").addEventListener("click", () => turn(1));
  document.getElementById("csv").addEventListener("click", download);
  listeners.push((what) => {
    if (what === "filters") page = 0;
    drawTable();
  });
}

function turn(by) {
  page += by;
  drawTable();
}

function drawTable() {
  const visible = columns.filter((column) => column.on);
  const lines = sorted();
  const pages = Math.max(1, Math.ceil(lines.length / PAGE));
  page = Math.max(0, Math.min(page, pages - 1));
  const table = document.getElementById("table");
  const focused = table.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const head = make("tr", {}, make("th", { scope: "col", textContent: "job" }), ...visible.map(headCell));
  const body = lines.slice(page * PAGE, (page + 1) * PAGE).flatMap((line) => rowsOf(line, visible));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...body));
  if (focused) table.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  document.getElementById("page").textContent = lines.length
    ? `${page * PAGE + 1} – ${Math.min(lines.length, (page + 1) * PAGE)} of ${lines.length.toLocaleString("en")}`
    : "no jobs";
  document.getElementById("previous").disabled = page === 0;
  document.getElementById("next").disabled = page === pages - 1;
}

function headCell(column) {
  const button = make("button", { type: "button", textContent: column.label, title: column.meaning || column.name });
  button.dataset.key = `sort ${column.name}`;
  button.addEventListener("click", () => {
    view.descending = view.sort === column.name && !view.descending;
    view.sort = column.name;
    changed("sort");
  });
  const cell = make("th", { scope: "col", className: column.numeric ? "number" : "" }, button);
  if (view.sort === column.name) cell.setAttribute("aria-sort", view.descending ? "descending" : "ascending");
  return cell;
}

function rowsOf(line, visible) {
  const open = opened === line;
  const button = make("button", {
    type: "button",
    textContent: open ? "close" : "open",
    title: `job ${data.jobs[line]}`,
  });
  button.setAttribute("aria-expanded", String(open));
  button.setAttribute("aria-label", `${open ? "close" : "open"} job ${data.jobs[line].slice(0, 8)}`);
  button.dataset.key = `open ${line}`;
  button.addEventListener("click", () => {
    opened = open ? null : line;
    drawTable();
  });
  const cells = visible.map((column) =>
    make("td", { className: column.numeric ? "number" : "", textContent: column.text(line) }),
  );
  const row = make("tr", {}, make("td", {}, button), ...cells);
  return open
    ? [row, make("tr", { className: "detail" }, make("td", { colSpan: cells.length + 1 }, ...detailOf(line)))]
    : [row];
}

function detailOf(line) {
  const parts = [];
  const files = data.files[line];
  if (files) {
    parts.push(
      make(
        "p",
        {},
        "Its own run: ",
        ...files.flatMap(([name, link], at) => [at ? ", " : "", make("a", { href: link, textContent: name })]),
      ),
    );
  }
  const why = files
    ? "Run it alone:"
    : `Run it alone for its pictures and its trace; this page, made again, then links them:`;
  const folder = `${data.runs}${data.jobs[line].slice(0, 12)}`;
  const command = `dwdp-sim ${commands[line]} results_dir=null hydra.run.dir=${folder}`;
  parts.push(make("p", {}, make("span", { textContent: why }), make("br"), make("code", { textContent: command })));
  if (data.assumed[line])
    parts.push(
      make("p", {
        className: "soft",
        textContent: `Rests on assumed constants: ${data.assumed[line].replaceAll(",", ", ")}`,
      }),
    );
  const latency = measures.get("prefetch_latency_mean_s");
  for (const one of data.measured.filter((other) => other.line === line)) {
    parts.push(
      make("p", {
        textContent: `Measured (${one.source}, ${one.case}): ${withUnit(latency, one.y)}`,
      }),
    );
  }
  const ranks = data.ranks ? data.ranks[line] : [];
  if (ranks.length) parts.push(make("div", { className: "wide" }, rankTable(ranks)));
  parts.push(make("p", { className: "soft", textContent: `job ${data.jobs[line]}` }));
  return parts;
}

function rankTable(ranks) {
  const measure = {
    scale: scaleOf(
      "s",
      ranks.map((rank) => rank[1]),
    ),
  };
  const unit = measure.scale[1];
  const heads = [
    "rank",
    ...["prefetch latency", "host", "gaps", "transfer", "contention"].map((name) => `${name} (${unit})`),
  ];
  const rows = ranks.map(([rank, ...times]) =>
    make(
      "tr",
      {},
      make("td", { textContent: String(rank) }),
      ...times.map((time) => make("td", { className: "number", textContent: number(scaled(measure, time)) })),
    ),
  );
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map((text) => make("th", { scope: "col", textContent: text })))),
    make("tbody", {}, ...rows),
  );
}

// Shows a job's row, open.
function openJob(line) {
  opened = line;
  page = Math.floor(sorted().indexOf(line) / PAGE);
  drawTable();
  const button = document.querySelector(`[data-key="open ${line}"]`);
  button?.scrollIntoView({ block: "center" });
  button?.focus();
}

// The shown jobs, sorted as in the table, all columns, values in SI units.
function download() {
  const quoted = (value) =>
    /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? "");
  const rows = sorted().map((line) => [data.jobs[line], ...columns.map((column) => column.value(line))]);
  const text = [["job", ...columns.map((column) => column.name)], ...rows]
    .map((row) => row.map(quoted).join(","))
    .join("\n");
  const link = make("a", {
    href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" })),
    download: "jobs.csv",
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
