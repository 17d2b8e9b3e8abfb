// Hundreds of points on a canvas, which answer to the pointer and the keyboard; and the same ones small.
// A point: {x, y, group, title, lines, tile, own}; `own` are pictures beside the plot, drawn as themselves.
// A style, one per group: {hue, mark}.
import { make, place } from "./dom.js";
import { figureOf } from "./scatter_figure.js";
import { MARKS, markPath, svg } from "./svg.js";

const HUES = [3, 1, 2, 4, 5, 6, 0, 7, 8, 9, 10, 11];
const KINDS = 6; // hues for kinds: more cannot be told apart by everybody
const NEAR = 24; // pixels within which the pointer finds a point
export const PLAIN = { hue: 0, mark: "circle" };
const shapes = new Map();

// Groups of one kind share a hue, and differ by their marks; without kinds no two share both.
export function stylesOf(count, kinds = []) {
  const order = [...new Set(kinds.filter(Boolean))];
  const seen = {};
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i];
    if (!kind) return { hue: HUES[i % 12], mark: MARKS[(i + Math.floor(i / 12)) % MARKS.length] };
    seen[kind] = (seen[kind] ?? -1) + 1;
    return { hue: HUES[order.indexOf(kind) % KINDS], mark: MARKS[seen[kind] % MARKS.length] };
  });
}

function shapeOf(mark, r) {
  const key = `${mark}${r}`;
  if (!shapes.has(key)) shapes.set(key, new Path2D(markPath(mark, 0, 0, r)));
  return shapes.get(key);
}

// Where each point stands in a square, in pixels: one scale for both axes, so that distances can be compared.
export function placesOf(points, side, edge) {
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
  const wide = (values) => Math.max(...values) - Math.min(...values);
  const scale = (side - 2 * edge) / (Math.max(wide(xs), wide(ys)) || 1);
  const [mx, my] = [middle(xs), middle(ys)];
  return points.map((p) => [side / 2 + (p.x - mx) * scale, side / 2 - (p.y - my) * scale]);
}

// Without a visitor's own, and what is lit on top.
export const orderOf = (points, dim) =>
  points
    .map((_, i) => i)
    .filter((i) => !points[i].own)
    .sort((a, b) => dim(points[b]) - dim(points[a]));

export function paintPoints(canvas, side, points, styles, lit, { radius = 5, edge = 16 } = {}) {
  const ratio = window.devicePixelRatio || 1;
  const look = getComputedStyle(canvas);
  if (canvas.width !== Math.round(side * ratio)) canvas.width = canvas.height = Math.round(side * ratio);
  Object.assign(canvas.style, { width: `${side}px`, height: `${side}px` });
  const pen = canvas.getContext("2d");
  const colours = Array.from({ length: 12 }, (_, i) => look.getPropertyValue(`--mv-s${i}`));
  const ground = look.getPropertyValue("--block-background-fill");
  const places = placesOf(points, side, edge);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, side, side);
  const dim = (p) => lit && !lit(p);
  for (const i of orderOf(points, dim)) {
    const point = points[i];
    const { hue, mark } = styles[point.group] ?? PLAIN;
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

export function tileOf({ url, index, columns, rows }, size) {
  const tile = make("span", { class: "mv-tile mv-thumb" });
  tile.style.width = `${size}px`;
  place(tile, url, index, columns, rows);
  return tile;
}

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

export function scatterOf() {
  let points = [];
  let styles = [];
  let lit = null;
  let places = [];
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

  function draw() {
    side = Math.round(Math.min(node.clientWidth, 640));
    if (!side || !points.length) return;
    places = paintPoints(canvas, side, points, styles, lit, { radius: side < 420 ? 4 : 5, edge: 26 });
    owns.replaceChildren(...points.map((point, i) => point.own && ownMark(point, places[i])).filter(Boolean));
    show(Math.min(at, points.length - 1), false);
  }

  function ownMark(point, [x, y]) {
    const mark = make(
      "span",
      { class: "mv-own" },
      ...(point.tile ? [tileOf(point.tile, point.letter ? 34 : 26)] : []),
      ...(point.letter ? [make("b", { textContent: point.letter })] : []),
    );
    mark.classList.toggle("mv-guessed", !!point.guessed);
    if (point.letter) mark.dataset.own = point.letter;
    mark.style.opacity = lit && !lit(point) && !point.letter ? 0.25 : 1;
    Object.assign(mark.style, { left: `${x}px`, top: `${y}px` });
    return mark;
  }

  function show(index, aloud = true) {
    at = index;
    const point = points[index];
    ring.hidden = tip.hidden = !point;
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

  function under(event) {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let best = -1;
    let least = NEAR ** 2;
    places.forEach(([px, py], i) => {
      const far = ((px - x) ** 2 + (py - y) ** 2) * (lit && !lit(points[i]) ? 9 : 1); // what is dimmed steps back
      if (far < least) [best, least] = [i, far];
    });
    return best;
  }
  for (const kind of ["pointermove", "pointerdown"]) node.addEventListener(kind, (event) => show(under(event), false));
  node.addEventListener("pointerleave", () => show(-1));
  node.addEventListener("focus", () => at < 0 && node.matches(":focus-visible") && show(0));
  node.addEventListener("blur", () => show(-1));

  // Left and right go through the pictures of a class, up and down through the classes.
  node.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") show(-1);
    if (!step || !points.length) return;
    event.preventDefault();
    const from = points[at] ?? points[0];
    const groups = [...new Set(points.map((p) => p.group))];
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
  new ResizeObserver(() => Math.round(Math.min(node.clientWidth, 640)) !== side && draw()).observe(node);

  const update = (changes) => {
    if (changes.points) [at, points] = [-1, changes.points];
    if (changes.styles) styles = changes.styles;
    if ("lit" in changes) lit = changes.lit;
    if (changes.label) node.setAttribute("aria-label", changes.label);
    draw();
  };
  const figure = (title, entries) => figureOf(node, title, points, styles, lit, entries);
  return { nodes: [node, told], update, figure };
}
