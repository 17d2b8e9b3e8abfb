// Styles, positions and order of a scatter's points, independent of the page.
import { MARKS } from "./svg.js";

/** @import { Spot } from "../types.js" */

const HUES = [3, 1, 2, 4, 5, 6, 0, 7, 8, 9, 10, 11];
const KINDS = 6; // hues for kinds: not everybody can tell more apart
export const PLAIN = { hue: 0, mark: "circle" };

/**
 * Groups of one kind share a hue and differ in their marks; without kinds no two groups share both.
 *
 * @param {number} count
 * @param {string[]} [kinds]
 */
export function stylesOf(count, kinds = []) {
  const order = [...new Set(kinds.filter(Boolean))];
  /** @type {Record<string, number>} */
  const seen = {};
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i];
    if (!kind) return { hue: HUES[i % 12], mark: MARKS[(i + Math.floor(i / 12)) % MARKS.length] };
    seen[kind] = (seen[kind] ?? -1) + 1;
    return { hue: HUES[order.indexOf(kind) % KINDS], mark: MARKS[seen[kind] % MARKS.length] };
  });
}

/**
 * The position of each point in a square, in pixels, with one scale for both axes, so that distances compare.
 *
 * @param {Spot[]} points
 * @param {number} side
 * @param {number} edge
 */
export function placesOf(points, side, edge) {
  const [xs, ys] = [points.map((p) => p.x), points.map((p) => p.y)];
  /** @param {number[]} values */
  const middle = (values) => (Math.min(...values) + Math.max(...values)) / 2;
  /** @param {number[]} values */
  const wide = (values) => Math.max(...values) - Math.min(...values);
  const scale = (side - 2 * edge) / (Math.max(wide(xs), wide(ys)) || 1);
  const [mx, my] = [middle(xs), middle(ys)];
  return points.map((p) => [side / 2 + (p.x - mx) * scale, side / 2 - (p.y - my) * scale]);
}

/**
 * The drawing order, without the visitor's own pictures and with highlighted points on top.
 *
 * @param {Spot[]} points
 * @param {(point: Spot) => boolean} dim
 */
export const orderOf = (points, dim) =>
  points
    .map((_, i) => i)
    .filter((i) => !points[i].own)
    .sort((a, b) => Number(dim(points[b])) - Number(dim(points[a])));
