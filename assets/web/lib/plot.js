// SVG plots of lines and points with pointer and keyboard support, redrawn at every width in the theme's colours, with
// the numbers as a table and downloads (SVG, PNG, CSV).
// A spec: {title, name, x, y, series, at, rules, band, diagonal, note, pick, tip, height, legend, dims}, and for linked
// plots {hidden: a Set of keys they share, changed(), lit(key)}. An axis: {label, low, high, ticks, format, names,
// unit}. `legend` false: none. A rule, a reference level: {y, title}. A band, an area behind the series:
// {title, points: [{x, low, high}]}. A series: {key, title, legend, index, colour, mark, dash, line, marks, hollow,
// size, pick, points: [{x, y, error, low, high, xerror, from, title, label, hollow}]}; `low` and `high` are the ends of
// an interval, `from` is the other end of a thin line; on an axis with names a point may be offset from its name.
import { csvOf } from "./csv.js";
import { childrenOf, hand, make, saveButtons } from "./dom.js";
import { niceTicks } from "./numbers.js";
import {
  DASHES,
  FONT,
  GROUND,
  INK,
  LINE,
  MARKS,
  PALE,
  colourOf,
  handFigure,
  markPath,
  standalone,
  svg,
  textSize,
  widthOf,
} from "./svg.js";
import { t } from "./texts.js";

/** @import { Axis, Plot, PlotSpec, Point, Series } from "../types.js" */

const REACH = 26; // pixels from pointer to point

/** @typedef {{ one: Series, point: Point, x: number, y: number }} Drawn a point, where it is drawn */

// Before the first numbers nothing is drawn.
const BAND = 0.22; // opacity
const NOTHING = { x: { label: "" }, y: { label: "" } };

/**
 * @param {Partial<PlotSpec>} [first]
 * @returns {Plot}
 */
export function plotOf(first = {}) {
  /** @type {PlotSpec} */
  let spec = { series: [], ...NOTHING, ...first };
  /** @type {string | null} */
  let lit = null;
  let wide = 0;
  /** @type {Drawn[]} */
  let spots = [];
  let at = -1;
  /** @type {SVGLineElement | null} */
  let moving = null;
  /** @type {{ px: (x: number) => number } | null} */
  let scale = null;
  /** @type {Set<string>} */
  const own = new Set();
  const hidden = () => spec.hidden ?? own;
  const canvas = svg("svg", { tabindex: 0, role: "application", "font-family": FONT });
  const heading = make("h3");
  const tip = make("div", { class: "mv-tip", hidden: true, aria: { role: "status" } });
  const area = make("div", { class: "mv-plot-area" }, canvas, tip);
  const legend = make("div", { class: "mv-chips mv-plot-legend" });
  const note = make("p", { class: "mv-small" });
  const table = make("div", { class: "mv-plot-table", tabIndex: 0, aria: { role: "region" } });
  /** @type {HTMLDetailsElement} */
  const numbers = make(
    "details",
    { on: { toggle: () => numbers.open && drawTable() } },
    make("summary", { textContent: t("plot.table") }),
    table,
  );
  const parcels = saveButtons(save);
  const node = make(
    "section",
    { class: "mv-panel mv-plot" },
    make("div", { class: "mv-plot-head" }, heading, parcels),
    area,
    legend,
    note,
    numbers,
  );

  const groups = () => /** @type {NodeListOf<SVGElement>} */ (canvas.querySelectorAll("[data-series]"));
  const shown = () => spec.series.filter((one) => !hidden().has(one.key));
  /** @param {Axis} axis @param {number | null | undefined} value */
  const text = (axis, value) =>
    (value === null || value === undefined
      ? ""
      : axis.names
        ? axis.names[Math.round(value)]
        : axis.format
          ? axis.format(value)
          : String(+value.toFixed(3))) + (axis.unit ?? "");
  /** @param {Axis} axis */
  const titleOf = (axis) => axis.label + (axis.unit?.trim() ? `, ${axis.unit.trim()}` : "");
  /** @param {Series} one */
  const styleOf = (one) => {
    const index = one.index ?? spec.series.indexOf(one);
    return {
      colour: one.colour ?? colourOf(index),
      mark: one.mark ?? MARKS[index % MARKS.length],
      dash: one.dash ?? DASHES[Math.floor(index / 3) % DASHES.length],
    };
  };

  /** @param {Axis} axis @param {"x" | "y"} key */
  function range(axis, key) {
    if (axis.names) return [-0.5, axis.names.length - 0.5];
    const error = key === "y" ? "error" : "xerror";
    const all = shown()
      .flatMap((one) => one.points)
      .flatMap((p) => [
        p[key] - (p[error] ?? 0),
        p[key] + (p[error] ?? 0),
        ...(key === "y" ? [p.from, p.low, p.high].filter((level) => level !== undefined) : []),
      ]);
    if (key === "y") all.push(...(spec.rules ?? []).map((rule) => rule.y));
    if (key === "y") all.push(...(spec.band?.points ?? []).flatMap(({ low, high }) => [low, high]));
    const known = all.filter(Number.isFinite);
    const [low, high] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
    const pad = (high - low || 1) * 0.08;
    return [axis.low ?? low - pad, axis.high ?? high + pad];
  }

  function draw() {
    const width = Math.round(area.clientWidth);
    if (!width || !spec.x.label) return;
    wide = width;
    tip.hidden = true;
    const size = textSize(canvas);
    const names = spec.x.names;
    const slanted = names && width / names.length < 7.5 * size;
    const height = (spec.height ?? Math.round(Math.min(360, Math.max(260, width * 0.62)))) + (slanted ? 4 * size : 0);
    const [x0, x1] = range(spec.x, "x");
    const [y0, y1] = range(spec.y, "y");
    const levels = (spec.y.ticks ?? niceTicks(y0, y1)).map((y) => ({ y, said: text({ ...spec.y, unit: "" }, y) }));
    const left = 12 + Math.max(...levels.map(({ said }) => widthOf(said, size)));
    const [right, top, bottom] = [14, 2 * size, (slanted ? 8 : 3.4) * size];
    /** @param {number} x */
    const px = (x) => left + ((x - x0) / (x1 - x0)) * (width - left - right);
    /** @param {number} y */
    const py = (y) => top + ((y1 - y) / (y1 - y0)) * (height - top - bottom);
    scale = { px };
    for (const [key, value] of Object.entries({
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "aria-label": `${spec.title}. ${spec.x.label}, ${spec.y.label}. ${t(spec.pick ? "plot.keys_pick" : "plot.keys")}`,
    }))
      canvas.setAttribute(key, String(value));
    canvas.setAttribute("font-size", String(size));
    canvas.replaceChildren();
    /** @param {number} x @param {number} y @param {string} content @param {Record<string, string | number>} [more] */
    const words = (x, y, content, more = {}) => svg("text", { x, y, fill: PALE, ...more }, content);
    for (const { y, said } of levels) {
      canvas.append(
        svg("line", { x1: left, x2: width - right, y1: py(y), y2: py(y), stroke: LINE }),
        words(left - 6, py(y) + size / 3, said, { "text-anchor": "end" }),
      );
    }
    if (spec.band) {
      const { points } = spec.band;
      const edge = [...points.map(({ x, high }) => [x, high]), ...points.map(({ x, low }) => [x, low]).reverse()];
      canvas.append(
        svg("path", {
          class: "mv-band",
          d: `M${edge.map(([x, y]) => `${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join("L")}z`,
          fill: PALE,
          opacity: BAND,
        }),
      );
    }
    const ticks = names ? names.map((_, i) => i) : (spec.x.ticks ?? niceTicks(x0, x1, width < 480 ? 4 : 6));
    for (const tick of ticks) {
      canvas.append(
        svg("line", { x1: px(tick), x2: px(tick), y1: height - bottom, y2: height - bottom + 4, stroke: PALE }),
      );
      /** @type {Record<string, string>} */
      const turned = slanted
        ? { "text-anchor": "end", transform: `rotate(-40 ${px(tick)} ${height - bottom + size + 2})` }
        : { "text-anchor": "middle" };
      canvas.append(
        words(px(tick), height - bottom + size + (slanted ? 2 : 5), text({ ...spec.x, unit: "" }, tick), turned),
      );
    }
    canvas.append(svg("line", { x1: left, x2: width - right, y1: height - bottom, y2: height - bottom, stroke: PALE }));
    canvas.append(
      words((left + width - right) / 2, height - 6, titleOf(spec.x), { "text-anchor": "middle", fill: INK }),
    );
    canvas.append(words(0, size, titleOf(spec.y), { fill: INK }));
    if (spec.diagonal)
      canvas.append(
        svg("line", {
          x1: px(Math.max(x0, y0)),
          y1: py(Math.max(x0, y0)),
          x2: px(Math.min(x1, y1)),
          y2: py(Math.min(x1, y1)),
          stroke: INK,
          "stroke-dasharray": "2 3",
        }),
      );
    spots = [];
    for (const one of shown()) canvas.append(drawSeries(one, px, py));
    canvas.append(...namesOf(left, width - right, size, words));
    for (const rule of spec.rules ?? []) {
      // drawn over the points, so that marks do not cross out a name
      canvas.append(
        svg("line", {
          x1: left,
          x2: width - right,
          y1: py(rule.y),
          y2: py(rule.y),
          stroke: INK,
          "stroke-dasharray": "6 4",
        }),
      );
      if (rule.title)
        canvas.append(
          words(width - right - 2, py(rule.y) - 5, rule.title, {
            "text-anchor": "end",
            fill: INK,
            stroke: GROUND,
            "stroke-width": 4,
            "paint-order": "stroke",
          }),
        );
    }
    moving =
      spec.at === undefined
        ? null
        : svg("line", {
            class: "mv-at",
            x1: px(spec.at),
            x2: px(spec.at),
            y1: top,
            y2: height - bottom,
            stroke: INK,
            "stroke-width": 1.5,
          });
    if (moving) canvas.append(moving);
    light(lit);
  }

  /** @param {Series} one @param {(x: number) => number} px @param {(y: number) => number} py */
  function drawSeries(one, px, py) {
    const { colour, mark, dash } = styleOf(one);
    const group = svg("g", { "data-series": one.key });
    const solid = one.points.filter((p) => Number.isFinite(p.x) && Number.isFinite(p.y));
    if (one.line !== false && solid.length > 1)
      group.append(
        svg("path", {
          d: `M${solid.map((p) => `${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`).join("L")}`,
          fill: "none",
          stroke: colour,
          "stroke-width": 2,
          "stroke-dasharray": dash,
          "stroke-linejoin": "round",
        }),
      );
    const thin = { fill: "none", stroke: colour, "stroke-width": 1.2, opacity: 0.75 };
    const marked = one.marks ?? (solid.length <= 40 || one.line === false);
    for (const point of solid) {
      const [x, y] = [px(point.x), py(point.y)];
      const open = point.hollow ?? one.hollow;
      const [low, high] = point.error
        ? [point.y - point.error, point.y + point.error]
        : [point.low ?? NaN, point.high ?? NaN];
      if (Number.isFinite(low) && Number.isFinite(high))
        group.append(svg("path", { class: "mv-error", d: `M${x - 4} ${py(low)}h8m-4 0V${py(high)}m-4 0h8`, ...thin }));
      if (point.xerror)
        group.append(
          svg("path", {
            class: "mv-error",
            d: `M${px(point.x - point.xerror)} ${y - 4}v8m0 -4H${px(point.x + point.xerror)}m0 -4v8`,
            ...thin,
          }),
        );
      if (point.from !== undefined)
        group.append(svg("path", { d: `M${x} ${py(point.from)}V${y}`, ...thin, "stroke-dasharray": "2 2" }));
      if (marked) {
        const size = one.size ?? (one.line === false ? 6 : 3.2);
        const drawn = mark === "cross" ? "none" : open ? GROUND : colour;
        group.append(
          svg("path", {
            class: "mv-mark",
            d: markPath(mark, +x.toFixed(1), +y.toFixed(1), size),
            fill: drawn,
            stroke: open || mark === "cross" ? colour : GROUND,
            "stroke-width": open || mark === "cross" ? 2 : 1,
          }),
        );
      }
      spots.push({ one, point, x, y });
    }
    return group;
  }

  /**
   * Makes the labels of points where there is room beside their marks; the pointer shows the others.
   *
   * @param {number} start
   * @param {number} edge
   * @param {number} size of the text
   * @param {(x: number, y: number, content: string, more?: Record<string, string | number>) => SVGElement} words
   */
  function namesOf(start, edge, size, words) {
    const taken = spots.map(({ x, y }) => [x - 7, y - 7, x + 7, y + 7]);
    const named = [];
    for (const { point, x, y, one } of spots.filter(({ point }) => point.label)) {
      const label = point.label ?? "";
      const wide = widthOf(label, size);
      const places = [
        [x + 10, y + 4],
        [x - 10 - wide, y + 4],
        [x - wide / 2, y - 11],
        [x - wide / 2, y + 9 + size],
      ];
      const free = places.find(
        ([left, foot]) =>
          left > start &&
          left + wide < edge &&
          foot > 2 * size &&
          taken.every((box) => box[0] > left + wide || box[2] < left || box[1] > foot + 2 || box[3] < foot - size),
      );
      if (!free) continue;
      taken.push([free[0], free[1] - size, free[0] + wide, free[1] + 2]);
      named.push(
        svg(
          "g",
          { "data-series": one.key },
          words(free[0], free[1], label, {
            fill: INK,
            stroke: GROUND,
            "stroke-width": 3,
            "paint-order": "stroke",
          }),
        ),
      );
    }
    return named;
  }

  /** @param {number} value @param {number | null | undefined} error @param {Axis} axis */
  const about = (value, error, axis) => `${text(axis, value)}${error ? ` ± ${text(axis, error)}` : ""}`;
  /** @param {Drawn} spot */
  const told = ({ one, point }) => {
    const across = spec.x.names ? "" : `${spec.x.label} ${about(point.x, point.xerror, spec.x)}, `;
    return `${point.title ?? one.title}: ${across}${spec.y.label} ${about(point.y, point.error, spec.y)}`;
  };

  /**
   * Selects the point nearest to the pointer, because a mark of a few pixels is hard to hit.
   *
   * @param {MouseEvent} event
   */
  function nearest({ clientX, clientY }) {
    const frame = canvas.getBoundingClientRect();
    const [x, y] = [clientX - frame.left, clientY - frame.top];
    const far = spots.map((spot) => Math.hypot(spot.x - x, spot.y - y));
    const least = Math.min(...far, REACH);
    return least < REACH ? far.indexOf(least) : -1;
  }
  /** @param {number} index */
  function hover(index) {
    if (index === at && !tip.hidden) return;
    at = index;
    const spot = spots[index];
    if (!spot) return leave();
    tip.replaceChildren(...(spec.tip?.(spot.one, spot.point) ?? []), told(spot));
    tip.hidden = false;
    const half = tip.offsetWidth / 2;
    Object.assign(tip.style, {
      left: `${Math.min(Math.max(spot.x, half), Math.max(half, wide - half))}px`,
      top: `${spot.y}px`,
    });
    tip.classList.toggle("mv-below", spot.y < tip.offsetHeight + 14);
    canvas.style.cursor = picks(spot) ? "pointer" : "";
    show(spot.one.key);
  }
  function leave() {
    tip.hidden = true;
    canvas.style.cursor = "";
    show(null);
  }
  /** @param {Drawn | undefined} spot */
  const picks = (spot) => spot && spec.pick && spot.one.pick !== false;
  /** @param {Drawn | undefined} spot */
  const pick = (spot) => spot && picks(spot) && spec.pick?.(spot.one, spot.point);
  canvas.addEventListener("pointermove", (event) => hover(nearest(event)));
  canvas.addEventListener("pointerdown", (event) => hover(nearest(event)));
  // Lifting a finger keeps the selection.
  canvas.addEventListener("pointerleave", ({ pointerType }) => pointerType !== "touch" && leave());
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("click", (event) => pick(spots[nearest(event)]));
  // The plot is one tab stop: left and right move along a series, up and down between series.
  canvas.addEventListener("keydown", (event) => {
    const key = event.key;
    const here = spots[at];
    if (
      !spots.length ||
      !["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Enter", " ", "Escape"].includes(key) ||
      (key === "Escape" && tip.hidden)
    )
      return;
    event.preventDefault();
    if (key === "Escape") return leave();
    if (key === "Enter" || key === " ") return pick(here);
    const step = key === "ArrowLeft" || key === "ArrowUp" ? -1 : 1;
    const n = spots.length;
    let to = here && !tip.hidden ? (at + step + n) % n : 0;
    if (here && !tip.hidden && (key === "ArrowUp" || key === "ArrowDown")) {
      const others = spots.map((spot, i) => i).filter((i) => spots[i].one !== here.one);
      const keys = shown().filter((one) => spots.some((spot) => spot.one === one));
      const next = keys[(keys.indexOf(here.one) + step + keys.length) % keys.length];
      const level = others.filter((i) => spots[i].one === next);
      to = level.sort((i, j) => Math.abs(spots[i].x - here.x) - Math.abs(spots[j].x - here.x))[0] ?? to;
    }
    hover(to);
  });

  /** @param {string | null} key */
  function show(key) {
    light(key);
    spec.lit?.(key);
  }
  /** @param {string | null} key */
  function light(key) {
    lit = key;
    if (spec.dims === false) return;
    const there = key && shown().some((one) => one.key === key);
    for (const group of groups()) group.style.opacity = there && group.dataset.series !== key ? "0.18" : "1";
  }

  /** @param {Series} one @param {number} [x] @param {number} [y] */
  function keyOf(one, x = 0, y = 0) {
    const { colour, mark, dash } = styleOf(one);
    const open = one.hollow || mark === "cross";
    const key = svg("g");
    if (one.line !== false)
      key.append(svg("path", { d: `M${x} ${y + 7}h26`, stroke: colour, "stroke-width": 2, "stroke-dasharray": dash }));
    if (one.marks !== false)
      key.append(
        svg("path", {
          d: markPath(mark, x + 13, y + 7, 4),
          fill: open ? "none" : colour,
          stroke: colour,
          "stroke-width": open ? 2 : 0,
        }),
      );
    return key;
  }
  const bandKey = (x = 0, y = 0) => svg("rect", { x, y, width: 26, height: 14, fill: PALE, opacity: BAND });
  function drawLegend() {
    legend.hidden = spec.legend === false || (spec.series.length < 2 && !spec.band);
    legend.replaceChildren(
      ...(legend.hidden ? [] : spec.series).map((one) =>
        make(
          "button",
          {
            class: "mv-key-button",
            data: { key: one.key },
            title: one.title,
            aria: { pressed: String(!hidden().has(one.key)) },
            on: {
              click: () => {
                hidden().has(one.key) ? hidden().delete(one.key) : hidden().add(one.key);
                spec.changed ? spec.changed() : refresh();
              },
              pointerenter: () => show(one.key),
              pointerleave: () => show(null),
              focus: () => show(one.key),
              blur: () => show(null),
            },
          },
          svg("svg", { width: 26, height: 14, "aria-hidden": "true" }, keyOf(one)),
          one.legend ?? one.title,
        ),
      ),
      ...(spec.band && !legend.hidden
        ? [
            make(
              "span",
              { class: "mv-key-button" },
              svg("svg", { width: 26, height: 14, "aria-hidden": "true" }, bandKey()),
              spec.band.title,
            ),
          ]
        : []),
    );
  }
  function refresh() {
    for (const button of childrenOf(legend).filter(({ dataset }) => dataset.key))
      button.setAttribute("aria-pressed", String(!hidden().has(button.dataset.key ?? "")));
    draw();
  }

  /** @param {Axis} axis @param {number} value */
  const cell = (axis, value) => (axis.names ? axis.names[Math.round(value)] : value);
  const lines = () => {
    const points = spec.series.flatMap((one) => one.points.map((p) => ({ one, p })));
    const [errors, across] = /** @type {const} */ (["error", "xerror"]).map((key) => points.some(({ p }) => p[key]));
    return [
      [t("plot.series"), titleOf(spec.x), ...(across ? ["±"] : []), titleOf(spec.y), ...(errors ? ["±"] : [])],
      ...points.map(({ one, p }) => [
        p.title ?? one.title,
        cell(spec.x, p.x),
        ...(across ? [p.xerror ?? ""] : []),
        p.y,
        ...(errors ? [p.error ?? ""] : []),
      ]),
    ];
  };
  function drawTable() {
    const [head, ...rows] = lines();
    /** @param {unknown} value */
    const said = (value) => (typeof value === "number" ? String(+value.toFixed(4)) : (value ?? ""));
    table.replaceChildren(
      make(
        "table",
        {},
        make("thead", {}, make("tr", {}, ...head.map((value) => make("th", { scope: "col", textContent: value })))),
        make(
          "tbody",
          {},
          ...rows
            .slice(0, 400)
            .map((row) => make("tr", {}, ...row.map((value) => make("td", { textContent: said(value) })))),
        ),
      ),
    );
  }

  // A standalone figure, with its title, and with a legend below.
  function figure() {
    const body = /** @type {SVGElement} */ (canvas.cloneNode(true));
    const [width, height] = [wide, Number(canvas.getAttribute("height"))];
    const size = Number(canvas.getAttribute("font-size"));
    const head = 2.5 * size;
    body.querySelectorAll("[data-series]").forEach((group) => group.removeAttribute("style"));
    const whole = svg("svg", { xmlns: "http://www.w3.org/2000/svg", width, "font-family": FONT, "font-size": size });
    whole.append(
      svg("rect", { width: "100%", height: "100%", fill: GROUND }),
      svg("text", { x: 12, y: 1.6 * size, fill: INK, "font-size": size + 2, "font-weight": 650 }, spec.title ?? ""),
    );
    whole.append(svg("g", { transform: `translate(0 ${head})` }, ...body.childNodes));
    let [x, y] = [12, height + head + 6];
    /** @type {{ said: string, key: (x: number, y: number) => SVGElement }[]} */
    const keys = [
      ...(spec.legend !== false && spec.series.length > 1 ? shown() : []).map((one) => ({
        said: one.legend ?? one.title,
        key: (/** @type {number} */ x, /** @type {number} */ y) => keyOf(one, x, y),
      })),
      ...(spec.band ? [{ said: spec.band.title, key: bandKey }] : []),
    ];
    for (const { said, key } of keys) {
      const room = 32 + widthOf(said, size) + 14;
      if (x > 12 && x + room > width) [x, y] = [12, y + 1.6 * size];
      whole.append(key(x, y), svg("text", { x: x + 32, y: y + 7 + size / 3, fill: INK }, said));
      x += room;
    }
    whole.setAttribute("height", String(Math.ceil(y + (keys.length ? 2 * size : 0))));
    return standalone(whole, getComputedStyle(node));
  }

  /** @param {string} kind */
  async function save(kind) {
    const name = `mixviz-${spec.name}.${kind}`;
    kind === "csv" ? hand(csvOf(lines()), name) : handFigure(figure(), kind, name);
  }

  new ResizeObserver(() => Math.round(area.clientWidth) !== wide && draw()).observe(area);
  /** @param {Partial<PlotSpec>} changes */
  const update = (changes) => {
    spec = { ...spec, ...changes };
    node.dataset.plot = spec.name ?? "";
    heading.textContent = spec.title ?? "";
    table.setAttribute("aria-label", `${spec.title ?? ""}: ${t("plot.table")}`);
    for (const button of parcels.children)
      button.setAttribute("aria-label", `${spec.title ?? ""}: ${t("plot.take", { kind: button.textContent })}`);
    note.textContent = spec.note ?? "";
    note.hidden = !spec.note;
    drawLegend();
    draw();
    if (numbers.open) drawTable();
  };
  /**
   * Moves the marker without redrawing anything else.
   *
   * @param {number} x
   */
  const mark = (x) => {
    spec.at = x;
    if (!moving || !scale) return draw();
    moving.setAttribute("x1", String(scale.px(x)));
    moving.setAttribute("x2", String(scale.px(x)));
  };
  update({});
  return { node, update, mark, light, refresh };
}
