// Tables of plain data. A row: {name, cells}, whose first cell is its head; a cell is a text, a node or a cell itself.
function tableOf(heads, rows, feet = []) {
  const cell = (tag, content, more = {}) => (content instanceof HTMLTableCellElement ? content : make(tag, more, content instanceof Node ? content : String(content)));
  const line = ({ name, cells: [first, ...others] }) => make("tr", { data: name === undefined ? {} : { row: name } }, cell("th", first, { scope: "row" }), ...others.map((content) => cell("td", content)));
  const head = make("thead", {}, make("tr", {}, ...heads.map((content) => cell("th", content, { scope: "col" }))));
  return make("table", {}, head, make("tbody", {}, ...rows.map(line)), ...(feet.length ? [make("tfoot", {}, ...feet.map(line))] : []));
}

// What a table in a region needs to be sorted by the heads of its columns: the best of a column first, and a second
// click turns it round. `of` gives a row's number or text in a column, and `lower` says where less is better.
function sorting(draw, of, lower = () => false) {
  let by = null, best = true;
  const upwards = (key) => lower(key) === best, known = (value) => typeof value === "string" || Number.isFinite(value);
  function order(rows) {
    if (by === null) return rows;
    const apart = (x, y) => (upwards(by) ? 1 : -1) * (typeof x === "string" ? x.localeCompare(y) : x - y);
    const [there, missing] = [true, false].map((wanted) => rows.filter((row) => known(of(row, by)) === wanted));
    return [...there.sort((x, y) => apart(of(x, by), of(y, by))), ...missing];
  }
  function head(key, name, { hint = "", about = "" } = {}) {
    const sort = ({ currentTarget }) => {
      const region = currentTarget.closest("[role=region]");
      [best, by] = [by === key ? !best : true, key];
      draw(key);
      region.querySelector(`[data-sort="${CSS.escape(key)}"]`).focus();
    };
    const mark = by !== key ? hint : upwards(key) ? "▲" : "▼";
    const cell = make("th", { scope: "col" }, make("button", { type: "button", class: "mv-sort", data: { sort: key }, title: about, on: { click: sort } }, name, make("small", { textContent: mark })));
    if (by === key) cell.setAttribute("aria-sort", upwards(key) ? "ascending" : "descending");
    return cell;
  }
  const bestOf = (rows, key) => Math[lower(key) ? "min" : "max"](...rows.map((row) => of(row, key)).filter(Number.isFinite));
  return { order, head, bestOf };
}
