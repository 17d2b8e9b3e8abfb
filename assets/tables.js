// Tables of plain data. A row: {name, cells}, whose first cell is its head; a cell is a text or a node.
function tableOf(heads, rows) {
  const cell = (tag, content, more = {}) => make(tag, more, content instanceof Node ? content : String(content));
  const head = heads.map((content) => {
    const node = cell("th", content, { scope: "col" });
    if (content.dataset?.sort) node.setAttribute("aria-sort", content.dataset.sort);
    return node;
  });
  const body = rows.map(({ name, cells: [first, ...others] }) => make("tr", { data: { row: name } }, cell("th", first, { scope: "row" }), ...others.map((content) => cell("td", content))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}

// Numbers of which more is better: the best of a column stands out, and a click on a column's head sorts by it.
// `rows`: {name, head, values}; `sorted`: [column or -1, 1 for the best first or -1].
function sortable([first, ...titles], rows, written, [at, sign], sort) {
  const value = (row, i) => row.values[i] ?? -Infinity, best = titles.map((_, i) => Math.max(...rows.map((row) => value(row, i))));
  const heads = titles.map((title, i) => make("button", {
    type: "button", class: "mv-link", textContent: `${title} ${i !== at ? "↕" : sign > 0 ? "▼" : "▲"}`, data: i === at ? { sort: sign > 0 ? "descending" : "ascending" } : {}, on: { click: () => sort(i) },
  }));
  const order = at < 0 ? rows : [...rows].sort((x, y) => sign * (value(y, at) - value(x, at)));
  return tableOf([first, ...heads], order.map((row) => ({ name: row.name, cells: [row.head, ...row.values.map((x, i) => make(Number.isFinite(x) && x === best[i] ? "strong" : "span", { textContent: written(x) }))] })));
}
