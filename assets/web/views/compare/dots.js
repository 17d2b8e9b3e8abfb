// The main measures side by side: a row per strategy, a dot with its error, and a line for the baseline.
import { make } from "../../lib/dom.js";
import { ARROWS } from "../../lib/grab.js";
import { niceTicks, tenth } from "../../lib/numbers.js";
import { FONT, GROUND, INK, LINE, PALE, svg, textSize, widthOf } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { columnName, rowName } from "./zoo_table.js";

/** @import { Finding, OpenCard, Zoo, ZooRow } from "../../types.js" */

const HALO = { stroke: GROUND, "stroke-width": 4, "paint-order": "stroke" };
const STRONG = "var(--mv-strong)";

/**
 * @param {Zoo} value
 * @param {OpenCard<ZooRow>} open
 */
export function dotPlots(value, open) {
  const lower = Object.fromEntries(value.columns.map((column) => [column.key, column.lower]));
  let rows = [...value.rows];
  let stacked = false;
  const names = make("ol", { class: "mv-dot-names" });
  const panels = value.findings.map((found) => panelOf(found));
  const order = make(
    "select",
    { id: "mv-dot-order", on: { change: ({ target }) => sort(target.value) } },
    make("option", { value: "", textContent: t("compare.order_zoo") }),
    ...value.findings.map(({ key }) => make("option", { value: key, textContent: columnName(key) })),
  );
  const grid = make(
    "div",
    { class: "mv-dots" },
    make("label", { class: "mv-axis" }, t("compare.order"), order),
    names,
    ...panels.flatMap(({ heading, area }) => [heading, area]),
  );
  /** @param {string} mark @param {string} text */
  const key = (mark, text) => make("span", {}, make("i", { class: `mv-dot-${mark}` }), text);
  const node = make(
    "section",
    { class: "mv-panel", data: { part: "dots" }, aria: { label: t("compare.dots") } },
    grid,
    make(
      "p",
      { class: "mv-small mv-dot-key" },
      key("strong", t("compare.differs")),
      key("pale", t("compare.same")),
      ...(value.findings.some(({ centre }) => centre !== null) ? [key("dashed", t("compare.centre"))] : []),
    ),
  );

  /** @param {ZooRow} row @param {Element} back what gets the focus when the card closes */
  const opens = (row, back) => open(row, node, () => back);

  /** @param {string} key */
  function sort(key) {
    /** @param {ZooRow} row */
    const rank = (row) => (lower[key] ? 1 : -1) * (row.values[key]?.mean ?? NaN);
    rows = [...value.rows];
    if (key) rows.sort((a, b) => rank(a) - rank(b));
    draw();
  }

  /** @param {Finding} found */
  function panelOf(found) {
    const { key, base, centre, differs } = found;
    const canvas = svg("svg", { tabindex: 0, role: "application", "font-family": FONT });
    const tip = make("div", { class: "mv-tip", hidden: true, aria: { role: "status" } });
    const area = make("div", { class: "mv-dot-area", data: { measure: key } }, canvas, tip);
    const heading = make("h2", { textContent: columnName(key), title: t(`compare.about.${key}`) });
    const baseline = value.rows.find(({ title }) => title === base)?.values[key].mean;
    let at = -1;
    /** @type {{ x: number, y: number }[]} */
    let spots = [];

    function drawPanel() {
      const width = Math.round(area.clientWidth);
      if (!width) return;
      const size = textSize(canvas);
      const row = stacked ? 54 : 2 * size;
      const [left, top] = [8, 1.5 * size];
      const foot = top + rows.length * row;
      const cells = rows.flatMap(({ values }) => values[key] ?? []);
      const known = cells.flatMap(({ mean, error }) => [mean - (error ?? 0), mean + (error ?? 0)]);
      if (centre !== null) known.push(centre);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const pad = (high - low || 1) * 0.08;
      /** @param {number} x */
      const px = (x) => left + ((x - low + pad) / (high - low + 2 * pad)) * (width - 2 * left);
      /** @param {number} x @param {number} y @param {string} said @param {object} [more] */
      const words = (x, y, said, more = {}) => svg("text", { x, y, fill: PALE, ...HALO, ...more }, said);
      canvas.replaceChildren();
      for (const [name, set] of Object.entries({
        width,
        height: foot + 3.4 * size,
        "font-size": size,
        "aria-label": [
          columnName(key),
          t(lower[key] ? "compare.lower_better" : "compare.higher_better"),
          t("compare.dot_keys"),
        ].join(". "),
      }))
        canvas.setAttribute(name, String(set));
      for (const tick of niceTicks(low - pad, high + pad, 4))
        canvas.append(
          svg("line", { x1: px(tick), x2: px(tick), y1: top, y2: foot, stroke: LINE }),
          words(px(tick), foot + size + 2, String(tick), { "text-anchor": "middle" }),
        );
      canvas.append(
        lower[key]
          ? words(0, foot + 2.6 * size, `← ${t("compare.better")}`)
          : words(width, foot + 2.6 * size, `${t("compare.better")} →`, { "text-anchor": "end" }),
        words(lower[key] ? width : 0, foot + 2.6 * size, "%", { "text-anchor": lower[key] ? "end" : "start" }),
      );
      /** @param {number} x @param {string} said @param {object} more */
      const line = (x, said, more) => {
        const half = widthOf(said, size) / 2;
        const beside = centre !== null && baseline !== undefined ? (x === Math.min(centre, baseline) ? -1 : 1) : 0;
        canvas.append(
          svg("line", { x1: px(x), x2: px(x), y1: top, y2: foot, stroke: INK, ...more }),
          words(Math.min(Math.max(px(x) + beside * (half - 8), half), width - half), size, said, {
            "text-anchor": "middle",
          }),
        );
      };
      if (baseline !== undefined) line(baseline, t("compare.baseline"), { "stroke-width": 1.5 });
      if (centre !== null) line(centre, t("compare.centre_short"), { "stroke-width": 1.5, "stroke-dasharray": "5 4" });
      spots = rows.map((one, i) => {
        const cell = one.values[key];
        const y = top + (i + (stacked ? 0.72 : 0.5)) * row;
        const group = svg("g", { "data-strategy": one.title, "data-differs": String(!!differs[one.title]) });
        group.append(svg("rect", { class: "mv-dot-row", x: 0, y: top + i * row, width, height: row, rx: 4 }));
        if (stacked)
          group.append(
            words(0, y - 0.9 * size, rowName(one), { fill: INK }),
            words(width, y - 0.9 * size, cell ? `${tenth(cell.mean)}\u00a0%` : "–", { "text-anchor": "end" }),
          );
        if (!cell) return { x: width / 2, y };
        const colour = one.title === base ? INK : differs[one.title] ? STRONG : PALE;
        const x = px(cell.mean);
        const [from, to] = [px(cell.mean - (cell.error ?? 0)), px(cell.mean + (cell.error ?? 0))];
        group.append(
          svg("path", {
            class: "mv-error",
            d: `M${from} ${y - 4}v8m0 -4H${to}m0 -4v8`,
            fill: "none",
            stroke: colour,
            "stroke-width": differs[one.title] ? 2.5 : 1.2,
          }),
          svg("circle", {
            cx: x,
            cy: y,
            r: differs[one.title] ? 6 : 5,
            fill: colour === PALE ? GROUND : colour,
            stroke: colour === PALE ? PALE : GROUND,
            "stroke-width": 1.5,
          }),
        );
        canvas.append(group);
        return { x, y };
      });
      leave();
    }

    /** @param {ZooRow} row */
    function written({ values: { [key]: cell } }) {
      if (!cell) return "–";
      return `${tenth(cell.mean)}${cell.error ? ` ± ${tenth(cell.error)}` : ""}\u00a0%`;
    }
    /** @param {ZooRow} row */
    function told(row) {
      const verdict = differs[row.title];
      const said = typeof verdict === "boolean" ? t(verdict ? "compare.differs" : "compare.same") : "";
      return [`${rowName(row)}: ${written(row)}`, said].filter(Boolean).join(". ");
    }
    /** @param {number} index */
    function show(index) {
      if (index === at && !tip.hidden) return;
      at = index;
      light(rows[index].title);
      tip.textContent = told(rows[index]);
      tip.hidden = false;
      const half = tip.offsetWidth / 2;
      const { x, y } = spots[index];
      Object.assign(tip.style, {
        left: `${Math.min(Math.max(x, half), Math.max(half, area.clientWidth - half))}px`,
        top: `${y}px`,
      });
      tip.classList.toggle("mv-below", y < tip.offsetHeight + 14);
    }
    function leave() {
      tip.hidden = true;
      at = -1;
      light("");
    }
    /** @param {MouseEvent} event */
    function under({ clientY }) {
      const y = clientY - canvas.getBoundingClientRect().top;
      const far = spots.map((spot) => Math.abs(spot.y - y));
      return far.indexOf(Math.min(...far));
    }
    canvas.addEventListener("pointermove", (event) => show(under(event)));
    canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType !== "touch" && leave());
    canvas.addEventListener("blur", leave);
    canvas.addEventListener("click", (event) => opens(rows[under(event)], canvas));
    canvas.addEventListener("keydown", (event) => {
      const step = ARROWS[event.key];
      if (event.key === "Enter" && at >= 0) opens(rows[at], canvas);
      else if (event.key === "Escape" && !tip.hidden) leave();
      else if (step) {
        const [down, across] = step;
        const index = at < 0 ? 0 : (at + down + rows.length) % rows.length;
        const to = panels[(panels.indexOf(panel) + across + panels.length) % panels.length];
        to.canvas.focus();
        to.show(index);
      } else return;
      event.preventDefault();
    });
    const panel = { heading, area, canvas, show, drawPanel };
    return panel;
  }

  /** Highlights a row in all panels. @param {string} title */
  function light(title) {
    for (const one of grid.querySelectorAll("[data-strategy]"))
      one.classList.toggle("mv-lit", /** @type {HTMLElement | SVGElement} */ (one).dataset.strategy === title);
  }

  function draw() {
    stacked = matchMedia("(max-width: 767px)").matches;
    names.hidden = stacked;
    names.replaceChildren(
      ...rows.map((row) => {
        const button = make("button", {
          class: "mv-link",
          textContent: rowName(row),
          aria: { label: t("compare.open_card", { name: rowName(row) }) },
          on: { click: ({ currentTarget }) => opens(row, currentTarget) },
        });
        return make("li", { data: { strategy: row.title } }, button);
      }),
    );
    for (const { drawPanel } of panels) drawPanel();
  }
  let wide = 0;
  new ResizeObserver(() => grid.clientWidth !== wide && ((wide = grid.clientWidth), draw())).observe(grid);
  return node;
}
