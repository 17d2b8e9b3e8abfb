// Geometry of boxes and arrows, independent of the page.
import { clamp } from "./numbers.js";

/** @import { Edges } from "../types.js" */

/**
 * The box of a map at a threshold, in fractions of the sides; null if the map is empty.
 *
 * @param {{ boxes: number[][] }} look boxes in pixels at evenly spaced thresholds
 * @param {number} threshold
 * @param {number} side pixels
 * @returns {Edges | null}
 */
export function boxAt(look, threshold, side) {
  const box = look.boxes[Math.min(Math.round(threshold * look.boxes.length), look.boxes.length - 1)];
  return box[2] > box[0] && box[3] > box[1] ? box.map((edge) => edge / side) : null;
}

/**
 * Intersection over union; 0 if a box is missing.
 *
 * @param {Edges | null | undefined} one
 * @param {Edges | null | undefined} other
 */
export function overlap(one, other) {
  if (!one || !other) return 0;
  const [height, width] = [0, 1].map((i) =>
    Math.max(0, Math.min(one[i + 2], other[i + 2]) - Math.max(one[i], other[i])),
  );
  /** @param {Edges} edges */
  const area = ([top, left, bottom, right]) => (bottom - top) * (right - left);
  return (height * width) / (area(one) + area(other) - height * width);
}

/**
 * A box after a step of the keyboard or the pointer: moved within the picture, or resized by its lower right corner,
 * down to the smallest side.
 *
 * @param {Edges} box
 * @param {number} down
 * @param {number} across
 * @param {boolean} resize
 * @param {number} least the smallest side
 * @returns {Edges}
 */
export function shifted([top, left, bottom, right], down, across, resize, least) {
  if (resize) return [top, left, clamp(bottom + down, top + least, 1), clamp(right + across, left + least, 1)];
  const y = clamp(down, -top, 1 - bottom);
  const x = clamp(across, -left, 1 - right);
  return [top + y, left + x, bottom + y, right + x];
}

/**
 * An arrow from one picture to another: its path, its tip, and the direction there. It bends to its right, so that
 * arrows in both directions between two pictures stay apart.
 *
 * @param {{ x: number, y: number }} from
 * @param {{ x: number, y: number, r: number }} to `r`: half the side of the picture
 */
export function curve(from, to) {
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy);
  const [ux, uy] = [dx / length, dy / length];
  const bend = Math.min(0.16 * length, 46);
  const middle = { x: (from.x + to.x) / 2 - uy * bend, y: (from.y + to.y) / 2 + ux * bend };
  const back = Math.hypot(to.x - middle.x, to.y - middle.y);
  const [vx, vy] = [(to.x - middle.x) / back, (to.y - middle.y) / back];
  const tip = { x: to.x - vx * to.r * 0.3, y: to.y - vy * to.r * 0.3 };
  return { path: `M${from.x} ${from.y}Q${middle.x} ${middle.y} ${tip.x} ${tip.y}`, tip, vx, vy };
}
