// A canvas with hundreds of points and pointer and keyboard support; and a small version of it.
// A point: {x, y, key, group, title, lines, tile, own}; `own` are pictures beside the plot, drawn as themselves.
// A style, one per group: {hue, mark}.
import { make, place } from "./dom.js";
import { figureOf } from "./scatter_figure.js";
import { PLAIN, orderOf, placesOf } from "./points.js";
import { markPath, penOf, svg } from "./svg.js";

/** @import { Links, Lit, Spot, Style, Tile } from "../types.js" */

const EDGE = 26; // pixels around the outermost points
const NEAR = 24; // pixels within which the pointer finds a point
/** @type {Map<string, Path2D>} */
const shapes = new Map();

/** @param {string} mark @param {number} r */
function shapeOf(mark, r) {
  const key = `${mark}${r}`;
  const shape = shapes.get(key) ?? new Path2D(markPath(mark, 0, 0, r));
  shapes.set(key, shape);
  return shape;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 * @param {Spot[]} points
 * @param {Style[]} styles
 * @param {Lit} lit
 * @param {{ radius?: number, edge?: number }} [sizes]
 */
export function paintPoints(canvas, side, points, styles, lit, { radius = 5, edge = 16 } = {}) {
  const ratio = window.devicePixelRatio || 1;
  const look = getComputedStyle(canvas);
  if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
  Object.assign(canvas.style, { width: `${side}px`, height: `${side}px` });
  const pen = penOf(canvas);
  const colours = Array.from({ length: 12 }, (_, i) => look.getPropertyValue(`--mv-s${i}`));
  const ground = look.getPropertyValue("--block-background-fill");
  /** @type {number[][]} */
  const places = placesOf(points, side, edge);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, side, side);
  /** @param {Spot} p */
  const dim = (p) => !!lit && !lit(p);
  for (const i of orderOf(points, dim)) {
    const point = points[i];
    const { hue, mark } = styles[Number(point.group)] ?? PLAIN;
    const shape = shapeOf(mark, radius);
    pen.setTransform(ratio, 0, 0, ratio, ratio * places[i][0], ratio * places[i][1]);
    pen.globalAlpha = dim(point) ? 0.13 : 0.92;
    pen.strokeStyle = mark === "cross" ? colours[hue] : ground;
    pen.lineWidth = mark === "cross" ? radius / 2.2 : radius / 6;
    pen.fillStyle = colours[hue];
    if (mark !== "cross") pen.fill(shape);
    pen.stroke(shape);
  }
  return places;
}

/** @param {Tile} tile @param {number} size */
export function tileOf({ url, index, columns, rows }, size) {
  const tile = make("span", { class: "mv-tile mv-thumb" });
  tile.style.width = `${size}px`;
  place(tile, url, index, columns, rows);
  return tile;
}

/** @param {Style | undefined} style @param {number} [size] */
export function markOf(style, size = 14) {
  const open = style?.mark === "cross";
  const colour = `var(--mv-s${style?.hue ?? 0})`;
  const key = svg("svg", { width: size, height: size, viewBox: "0 0 14 14", "aria-hidden": "true" });
  key.append(
    svg("path", {
      d: markPath(style?.mark ?? "circle", 7, 7, 4.4),
      fill: open ? "none" : colour,
      stroke: open ? colour : "none",
      "stroke-width": 2,
    }),
  );
  return key;
}

/**
 * @param {{ pointed?: (point: Spot | null) => void, chosen?: (point: Spot) => void }} [on] what is pointed at, and what
 *   is clicked or entered
 */
export function scatterOf({ pointed = () => {}, chosen = () => {} } = {}) {
  /** @type {Spot[]} */
  let points = [];
  /** @type {Style[]} */
  let styles = [];
  /** @type {Lit} */
  let lit = null;
  /** @type {number[][]} */
  let places = [];
  /** @type {Links | null} */
  let links = null;
  let at = -1;
  let side = 0;
  const canvas = make("canvas", { aria: { hidden: "true" } });
  const owns = make("div", { aria: { hidden: "true" } });
  const ring = make("span", { class: "mv-at-point", hidden: true });
  const tip = make("div", { class: "mv-point", hidden: true, aria: { hidden: "true" } });
  const told = make("p", { class: "mv-unseen", aria: { live: "polite" } });
  const node = make(
    "div",
    { class: "mv-scatter", tabIndex: 0, aria: { role: "application" } },
    canvas,
    owns,
    ring,
    tip,
  );

  /** @param {Spot} point */
  const sizeOf = ({ letter }) => (side < 420 ? (letter ? 34 : 24) : letter ? 46 : 34);

  function draw() {
    side = node.clientWidth;
    if (!side || !points.length) return;
    places = paintPoints(canvas, side, points, styles, lit, { radius: side < 420 ? 4 : 5, edge: EDGE });
    drawLinks();
    owns.replaceChildren(...points.flatMap((point, i) => (point.own ? [ownMark(point, places[i])] : [])));
    show(Math.min(at, points.length - 1), false);
  }

  /** Lines from a picture to its nearest, below all marks. */
  function drawLinks() {
    const of = links;
    const from = points.findIndex(({ key }) => key === of?.from);
    if (!of || from < 0) return;
    const pen = penOf(canvas);
    pen.save();
    pen.globalCompositeOperation = "destination-over";
    pen.strokeStyle = getComputedStyle(canvas).getPropertyValue("--body-text-color");
    pen.globalAlpha = 0.6;
    pen.lineWidth = 1.5;
    const ratio = window.devicePixelRatio || 1;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.beginPath();
    points.forEach(({ key }, i) => {
      if (!key || !of.to.includes(key)) return;
      pen.moveTo(places[from][0], places[from][1]);
      pen.lineTo(places[i][0], places[i][1]);
    });
    pen.stroke();
    pen.restore();
  }

  /** @param {Spot} point @param {number[]} place */
  function ownMark(point, [x, y]) {
    const mark = make(
      "span",
      { class: "mv-own" },
      ...(point.tile ? [tileOf(point.tile, sizeOf(point))] : []),
      ...(point.letter ? [make("b", { textContent: point.letter })] : []),
    );
    mark.classList.toggle("mv-guessed", !!point.guessed);
    if (point.letter) mark.dataset.own = point.letter;
    const style = styles[Number(point.group)];
    if (style && !point.letter) mark.style.borderColor = `var(--mv-s${style.hue})`;
    mark.style.opacity = lit && !lit(point) && !point.letter ? "0.25" : "1";
    Object.assign(mark.style, { left: `${x}px`, top: `${y}px` });
    return mark;
  }

  /** @param {number} index @param {boolean} [aloud] */
  function show(index, aloud = true) {
    const before = at;
    at = index;
    const point = points[index];
    ring.hidden = tip.hidden = !point;
    if (at !== before) pointed(point ?? null);
    if (!point) return;
    const [x, y] = places[index];
    const lines = point.lines();
    Object.assign(ring.style, { left: `${x}px`, top: `${y}px` });
    tip.replaceChildren(
      ...(point.tile ? [tileOf(point.tile, 84)] : []),
      make(
        "span",
        {},
        make("b", { textContent: point.title }),
        ...lines.map((line) => make("span", { textContent: line })),
      ),
    );
    const half = tip.offsetWidth / 2;
    const above = y > tip.offsetHeight + 22;
    Object.assign(tip.style, {
      left: `${Math.min(Math.max(x, half), Math.max(half, side - half))}px`,
      top: `${above ? y - 14 - tip.offsetHeight : y + 14}px`,
    });
    if (aloud) told.textContent = [point.title, ...lines].join(", ");
  }

  /** @param {MouseEvent} event */
  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = NEAR ** 2;
    places.forEach(([px, py], i) => {
      // Points that are not dimmed come first.
      const far = ((px - x) ** 2 + (py - y) ** 2) * (lit && !lit(points[i]) ? 9 : 1);
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }
  for (const kind of /** @type {const} */ (["pointermove", "pointerdown"]))
    node.addEventListener(kind, (event) => show(under(event), false));
  node.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && show(-1));
  node.addEventListener("click", (event) => {
    const point = points[under(event)];
    if (point) chosen(point);
  });
  node.addEventListener("focus", () => at < 0 && node.matches(":focus-visible") && show(0));
  node.addEventListener("blur", () => show(-1));

  // Left and right move through the pictures of a class, up and down through the classes.
  node.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(-1);
    if (event.key === "Enter" && points[at]) chosen(points[at]);
    if (!step || !points.length) return;
    event.preventDefault();
    const from = points[at] ?? points[0];
    const groups = [...new Set(points.map((p) => p.group))];
    /** @param {any[]} list @param {any} item */
    const wrap = (list, item) => list[(list.indexOf(item) + step + list.length) % list.length];
    if (at < 0) return show(0);
    if (event.key === "ArrowRight" || event.key === "ArrowLeft")
      return show(
        points.indexOf(
          wrap(
            points.filter((p) => p.group === from.group),
            from,
          ),
        ),
      );
    const next = wrap(groups, from.group);
    show(points.findIndex((p) => p.group === next));
  });
  new ResizeObserver(() => node.clientWidth !== side && draw()).observe(node);

  /** @param {{ points?: Spot[], styles?: Style[], lit?: Lit, links?: Links | null, label?: string }} changes */
  const update = (changes) => {
    if (changes.points) [at, points] = [-1, changes.points];
    if (changes.styles) styles = changes.styles;
    if (changes.lit !== undefined) lit = changes.lit;
    if (changes.links !== undefined) links = changes.links;
    if (changes.label) node.setAttribute("aria-label", changes.label);
    draw();
  };
  /** @param {string} title @param {{ text: string, style: Style }[]} entries */
  const figure = (title, entries) => figureOf(node, title, points, styles, lit, entries);
  return { nodes: [node, told], update, figure };
}
