// The large picture of the one-method view: a before/after slider, a box to drag, a mask to paint.
import { make, outline, place } from "./dom.js";
import { ARROWS, grabOf } from "./grab.js";
import { clamp } from "./numbers.js";
import { outlinesOf } from "./outlines.js";
import { penOf } from "./svg.js";
import { t } from "./texts.js";

/** @import { Edges, Outline } from "../types.js" */

/**
 * @typedef {object} Shown
 * @property {string[]} names
 * @property {string[]} tiles the names of the sheet's tiles
 * @property {string[]} mask rows of 0 and 1
 * @property {Outline[]} outlines
 * @property {{ title: string, pair: boolean, target: Edges | null }} card
 */

const CELLS = 28;
const MIDDLE = [0.25, 0.25, 0.75, 0.75];

/**
 * @param {(box: Edges) => void} onBox
 * @param {(mask: string[]) => void} onMask
 */
export function stageOf(onBox, onMask) {
  const before = make("div", { class: "mv-layer" });
  const mixed = make("div", { class: "mv-layer", aria: { role: "img" } });
  const painting = paintingOf(onMask);
  const shown = make("div", { class: "mv-box" });
  const outlines = outlinesOf();
  mixed.append(outlines.node);
  const tile = make("div", { class: "mv-tile mv-stage-tile" }, before, mixed, shown);
  /** @type {Edges | null} */
  let box = null;
  let tool = "look";
  const grab = grabOf(tile, t("move"), (edges) => {
    box = edges;
    onBox(edges);
  });
  tile.append(grab.node, painting.canvas);
  const slide = () => {
    mixed.style.clipPath = `inset(0 ${100 - Number(cut.value)}% 0 0)`;
  };
  const range = { type: "range", min: 0, max: 100, value: 100 };
  /** @type {HTMLInputElement} */
  const cut = make("input", { ...range, aria: { label: t("slide") }, on: { input: slide } });

  /** @param {string} next look, box or paint */
  function show(next) {
    tool = next;
    grab.node.hidden = tool !== "box";
    painting.canvas.hidden = tool !== "paint";
    shown.hidden = tool !== "look" || !box;
    cut.disabled = tool !== "look";
    if (tool === "look") return;
    cut.value = "100";
    slide();
  }

  /** @param {Shown} value @param {string} url */
  function update({ tiles, names, card, mask, outlines: objects }, url) {
    outlines.update(objects, names.slice(0, card.pair ? 2 : 1));
    place(before, url, tiles.indexOf("a"), tiles.length);
    place(mixed, url, tiles.indexOf("mixed"), tiles.length);
    mixed.setAttribute("aria-label", t("alt_mixed", { name: names[0], title: card.title }));
    if (!grab.held()) {
      box = card.target ? [...card.target] : MIDDLE;
      grab.set(box);
    }
    outline(shown, card.target);
    painting.update(mask);
    show(tool);
    shown.hidden = tool !== "look" || !card.target;
  }

  return { tile, cut, outlines, show, update };
}

/**
 * A grid of cells to paint with pointer or keyboard; cells that are off are darkened while painting.
 *
 * @param {(mask: string[]) => void} onMask
 */
function paintingOf(onMask) {
  const canvas = make("canvas", {
    class: "mv-paint",
    width: CELLS,
    height: CELLS,
    hidden: true,
    tabIndex: 0,
    aria: { role: "application", label: t("paint") },
  });
  /** @type {boolean[][]} */
  let cells = [];
  let cursor = [CELLS / 2, CELLS / 2];

  /** @param {boolean} all */
  function draw(all) {
    const pen = penOf(canvas);
    pen.clearRect(0, 0, CELLS, CELLS);
    pen.fillStyle = "#0009";
    if (all) cells.forEach((row, y) => row.forEach((keep, x) => keep || pen.fillRect(x, y, 1, 1)));
    if (document.activeElement !== canvas) return;
    pen.fillStyle = "#ef4444";
    pen.fillRect(cursor[1], cursor[0], 1, 1);
  }

  /** @param {number[]} cell @param {boolean} keep */
  function paint([y, x], keep) {
    for (let i = y - 1; i <= y + 1; i++) {
      for (let j = x - 1; j <= x + 1; j++) if (cells[i]?.[j] !== undefined) cells[i][j] = keep;
    }
    draw(true);
    onMask(cells.map((row) => row.map(Number).join("")));
  }

  /** @param {PointerEvent} event */
  function under({ clientX, clientY }) {
    const { top, left, width, height } = canvas.getBoundingClientRect();
    return [Math.floor((CELLS * (clientY - top)) / height), Math.floor((CELLS * (clientX - left)) / width)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    const start = under(event);
    const keep = !cells[start[0]]?.[start[1]];
    paint(start, keep);
    /** @param {PointerEvent} next */
    const move = (next) => paint(under(next), keep);
    const end = () => {
      canvas.removeEventListener("pointermove", move);
      draw(false);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("lostpointercapture", end, { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (event.key === " ") {
      event.preventDefault();
      paint(cursor, !cells[cursor[0]][cursor[1]]);
    } else if (step) {
      event.preventDefault();
      cursor = cursor.map((at, i) => clamp(at + step[i], 0, CELLS - 1));
      draw(false);
    }
  });
  for (const event of ["focus", "blur"]) canvas.addEventListener(event, () => draw(false));

  /** @param {string[]} mask */
  const update = (mask) => {
    if (!canvas.matches(":active")) cells = mask.map((row) => [...row].map((cell) => cell === "1"));
  };
  return { canvas, update };
}
