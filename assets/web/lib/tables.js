// Tables of plain data. A row: {name, cells}; the first cell is the row's heading, and a cell is a text or a node.
import { make, within } from "./dom.js";
import { t } from "./texts.js";

/** @import { Column, TableRow } from "../types.js" */

/** @param {(Node | string)[]} heads @param {{ name: string, cells: (Node | string)[] }[]} rows */
export function tableOf(heads, rows) {
  /** @param {"th" | "td"} tag @param {Node | string} content @param {object} [more] */
  const cell = (tag, content, more = {}) => make(tag, more, content instanceof Node ? content : String(content));
  const body = rows.map(({ name, cells: [first, ...others] }) =>
    make(
      "tr",
      { data: { row: name } },
      cell("th", first, { scope: "row" }),
      ...others.map((content) => cell("td", content)),
    ),
  );
  return make(
    "table",
    {},
    make("thead", {}, make("tr", {}, ...heads.map((content) => cell("th", content, { scope: "col" })))),
    make("tbody", {}, ...body),
  );
}

/**
 * A sortable table: a click on a column's heading puts its best value first, a second click its worst. Missing values
 * come last, pinned rows first.
 *
 * @param {object} spec
 * @param {() => Column[]} spec.columns
 * @param {{ title: string, sorts?: boolean }} spec.first the column of names; without `sorts` its head is no button
 * @param {() => { head: Node | string, values: Record<string, any> }[]} [spec.foot] rows that stay below
 * @param {(key: string) => void} [spec.sorted]
 */
export function sortedTable({ columns, first, foot = () => [], sorted = () => {} }) {
  /** @type {TableRow[]} */
  let rows = [];
  /** @type {string | null} */
  let by = null;
  let best = true;
  const head = make("tr");
  const body = make("tbody");
  const below = make("tfoot");
  const node = make("table", { class: "mv-standings" }, make("thead", {}, head), body, below);
  const column = () => columns().find(({ key }) => key === by);
  /** @param {unknown} x */
  const known = (x) => x !== undefined && x !== null && !Number.isNaN(x);
  const up = () => (by === "" || column()?.text ? best : !!column()?.lower === best);

  function order() {
    const found = [...rows];
    const chosen = column();
    const sign = up() ? 1 : -1;
    if (by === "") found.sort((a, b) => sign * a.title.localeCompare(b.title));
    else if (chosen)
      found.sort((one, other) => {
        const [a, b] = [one.values[chosen.key], other.values[chosen.key]];
        if (!known(a) || !known(b)) return Number(known(b)) - Number(known(a));
        return sign * (chosen.text ? a.localeCompare(b) : a - b);
      });
    return found.sort((a, b) => Number(!!b.pinned) - Number(!!a.pinned));
  }
  /** @param {string} key */
  function sort(key) {
    [best, by] = [by === key ? !best : true, key];
    draw();
    within(head, `[data-sort="${CSS.escape(key)}"]`).focus();
    sorted(key);
  }
  /** @param {Column} column */
  function header({ key, title, about = "", lower }) {
    const here = by === key;
    const says = lower === undefined ? "" : t(lower ? "compare.lower" : "compare.higher");
    const cell = make(
      "th",
      { scope: "col" },
      make(
        "button",
        { class: "mv-sort", data: { sort: key }, title: about, on: { click: () => sort(key) } },
        title,
        make("small", { textContent: here ? (up() ? "▲" : "▼") : says }),
      ),
    );
    if (here) cell.setAttribute("aria-sort", up() ? "ascending" : "descending");
    return cell;
  }
  /** @param {TableRow} row @param {Column} column */
  function cellOf(row, { key, lower, written = String }) {
    const value = row.values[key];
    if (!known(value)) return make("td", { textContent: "–" });
    const all = rows.map(({ values }) => values[key]).filter(known);
    const top = lower !== undefined && value === (lower ? Math.min(...all) : Math.max(...all));
    return make(
      "td",
      { class: top ? "mv-best" : "" },
      written(value),
      row.notes?.[key] ? make("small", { textContent: ` ${row.notes[key]}` }) : "",
      top ? make("span", { class: "mv-hear", textContent: ` (${t("compare.best")})` }) : "",
    );
  }
  function draw() {
    const shown = columns();
    head.replaceChildren(
      first.sorts === false
        ? make("th", { scope: "col", textContent: first.title })
        : header({ key: "", title: first.title }),
      ...shown.map(header),
    );
    body.replaceChildren(
      ...order().map((row) =>
        make(
          "tr",
          { class: row.pinned ? "mv-first" : "", data: { row: row.name } },
          make("th", { scope: "row" }, row.head),
          ...shown.map((one) => cellOf(row, one)),
        ),
      ),
    );
    below.replaceChildren(
      ...foot().map((row) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, row.head),
          ...shown.map(({ key, written = String }) =>
            make("td", { textContent: known(row.values[key]) ? written(row.values[key]) : "" }),
          ),
        ),
      ),
    );
  }
  const update = (now = rows) => {
    rows = now;
    draw();
  };
  return { node, update, order, body };
}
