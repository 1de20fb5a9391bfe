// A heading's button sorts its table by that column, first up, then down. Cells without a key come last.

function sortBy(head) {
  const body = head.closest("table").tBodies[0];
  const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  const keyOf = (row) => Number(row.cells[head.cellIndex].dataset.key); // NaN without one
  const keyed = [...body.rows].map((row) => [keyOf(row), row]);
  keyed.sort(([a], [b]) => Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0);
  body.append(...keyed.map(([, row]) => row));
}

for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
