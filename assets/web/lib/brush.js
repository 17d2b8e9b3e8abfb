// A mask on a picture that pointer, finger or keyboard paints and erases.
import { make } from "./dom.js";
import { ARROWS } from "./grab.js";
import { clamp } from "./numbers.js";
import { SIDE } from "./runs.js";

const STEPS = 30; // that can be undone
const SEEN = 128; // opacity from which a pixel is marked

/** @typedef {[down: number, across: number]} Point in pixels of the mask */

/**
 * @param {string} label
 * @param {() => unknown} onChange after every stroke
 */
export function brushOf(label, onChange) {
  const canvas = make("canvas", {
    class: "mv-brush",
    width: SIDE,
    height: SIDE,
    tabIndex: 0,
    aria: { role: "application", label },
  });
  const ring = make("i", { class: "mv-brush-ring", hidden: true });
  const node = make("div", { class: "mv-layer" }, canvas, ring);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  /** @type {ImageData[]} */
  const before = [];
  const brush = { size: 24, erases: false, colour: "#60a5fa" };
  /** @type {Point} */
  let cursor = [SIDE / 2, SIDE / 2];
  let pressed = false; // is the space bar held?

  const picture = () => pen.getImageData(0, 0, SIDE, SIDE);
  /** The mask row by row, 1 where it is marked. */
  const mask = () => picture().data.filter((_, i) => i % 4 === 3).map((opacity) => Number(opacity >= SEEN));

  function remember() {
    before.push(picture());
    if (before.length > STEPS) before.shift();
  }

  /** @param {Point[]} points */
  function stroke(points) {
    pen.globalCompositeOperation = brush.erases ? "destination-out" : "source-over";
    Object.assign(pen, { lineWidth: brush.size, lineCap: "round", strokeStyle: brush.colour });
    pen.lineJoin = "round";
    pen.beginPath();
    const [first, start] = points[0];
    pen.moveTo(start - 0.01, first); // a line without length has no round ends
    for (const [top, left] of points) pen.lineTo(left, top);
    pen.stroke();
  }

  /** @param {Point | null} at */
  function show(at) {
    ring.hidden = !at;
    if (!at) return;
    const [top, left, size] = [...at, brush.size].map((pixels) => `${(100 * pixels) / SIDE}%`);
    Object.assign(ring.style, { top, left, width: size, height: size });
  }

  /** @param {PointerEvent} event @returns {Point} */
  function under({ clientX, clientY }) {
    const { top, left, width, height } = canvas.getBoundingClientRect();
    return [(SIDE * (clientY - top)) / height, (SIDE * (clientX - left)) / width];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    remember();
    const start = before[before.length - 1];
    const points = [under(event)];
    stroke(points);
    show(points[0]);
    /** Draws the stroke anew: pieces one over the other would widen its soft edge. @param {PointerEvent} next */
    const move = (next) => {
      points.push(...(next.getCoalescedEvents?.() ?? [next]).map(under));
      pen.putImageData(start, 0, 0);
      stroke(points);
    };
    const end = () => {
      canvas.removeEventListener("pointermove", move);
      onChange();
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("lostpointercapture", end, { once: true });
  });
  canvas.addEventListener("pointermove", (event) => show((cursor = under(event))));
  canvas.addEventListener("pointerleave", () => show(null));
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && show(cursor));
  canvas.addEventListener("blur", () => {
    pressed = false;
    show(null);
  });
  canvas.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      undo();
    } else if (event.key === " ") {
      event.preventDefault();
      if (event.repeat) return;
      pressed = true;
      remember();
      stroke([cursor]);
      show(cursor);
      onChange();
    } else if (step) {
      event.preventDefault();
      const far = Math.max(2, brush.size / (event.shiftKey ? 1 : 4));
      const from = cursor;
      cursor = /** @type {Point} */ (cursor.map((at, i) => clamp(at + far * step[i], 0, SIDE)));
      show(cursor);
      if (!pressed) return;
      stroke([from, cursor]);
      onChange();
    }
  });
  canvas.addEventListener("keyup", (event) => event.key === " " && (pressed = false));

  function undo() {
    const last = before.pop();
    if (last) pen.putImageData(last, 0, 0);
    onChange();
  }

  /** Replaces the mask, which can be undone. @param {ArrayLike<number>} next row by row, 0 outside */
  function set(next) {
    remember();
    pen.globalCompositeOperation = "source-over";
    pen.clearRect(0, 0, SIDE, SIDE);
    pen.fillStyle = brush.colour;
    for (let i = 0; i < SIDE * SIDE; i++) if (next[i]) pen.fillRect(i % SIDE, Math.floor(i / SIDE), 1, 1);
    onChange();
  }

  /** Begins anew, without anything to undo. @param {ArrayLike<number>} next @param {string} colour */
  function begin(next, colour) {
    brush.colour = colour;
    before.length = 0;
    cursor = [SIDE / 2, SIDE / 2];
    set(next);
    before.length = 0;
    onChange();
  }
  return { node, canvas, brush, mask, set, begin, undo, undoable: () => before.length > 0 };
}
