// Heat maps from the server: bytes from 0 to 255 on each map's own scale, and the values of its two ends.
import { clamp } from "./numbers.js";
import { penOf } from "./svg.js";

/**
 * @typedef {object} HeatMap
 * @property {Uint8Array} bytes
 * @property {number[] | null} range low, high, and the layer's lowest and highest; null if the map is empty
 */

/** @param {string} text in base 64 */
export const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/**
 * The map's value of byte q, clamped to the layer's lowest and highest, which bicubic interpolation overshoots.
 *
 * @param {number[]} range
 * @returns {(q: number) => number}
 */
export const valueOf = ([low, high, least, most]) => {
  return (q) => clamp(low + ((high - low) * q) / 255, least, most);
};

/**
 * The colour range of all maps of a picture: `shared` from the lowest to the highest value, `raw` including 0.
 *
 * @param {HeatMap[]} looks
 * @param {string} scale
 */
export function endsOf(looks, scale) {
  let [low, high] = [Infinity, -Infinity];
  for (const { range, bytes } of looks) {
    if (!range) continue;
    const value = valueOf(range);
    low = Math.min(low, value(bytes.reduce((a, b) => Math.min(a, b))));
    high = Math.max(high, value(bytes.reduce((a, b) => Math.max(a, b))));
  }
  return scale === "raw" ? [Math.min(0, low), Math.max(0, high)] : [low, high];
}

/**
 * The map scaled to 0 to 1 between two ends.
 *
 * @param {HeatMap & { range: number[] }} look
 * @param {number[]} ends
 */
function rescale({ range, bytes }, [low, high]) {
  const value = valueOf(range);
  return Float32Array.from(bytes, (q) => (high > low ? (value(q) - low) / (high - low) : 0));
}

/** @param {HeatMap} look @returns {look is HeatMap & { range: number[] }} */
const points = (look) => look.range !== null;

/**
 * The map's numbers: from 0 to 1 on its own scale or a shared one, or unscaled.
 *
 * @param {HeatMap} look
 * @param {string} scale
 * @param {number[]} ends
 */
export function valuesOf(look, scale, ends) {
  if (!points(look)) return new Float32Array(look.bytes.length);
  if (scale === "image") return Float32Array.from(look.bytes, (q) => q / 255);
  return rescale(look, scale === "raw" ? [0, 1] : ends);
}

/**
 * The map in shades from 0 to 1.
 *
 * @param {HeatMap} look
 * @param {string} scale
 * @param {number[]} ends
 */
export function shadesOf(look, scale, ends) {
  return scale === "raw" && points(look) ? rescale(look, ends) : valuesOf(look, scale, ends);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 * @param {Float32Array} values
 * @param {(value: number) => number[]} colour red, green, blue, alpha
 */
function paint(canvas, side, values, colour) {
  Object.assign(canvas, { width: side, height: side });
  const pen = penOf(canvas);
  const image = pen.createImageData(side, side);
  values.forEach((value, i) => image.data.set(colour(value), 4 * i));
  pen.putImageData(image, 0, 0);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 * @param {Float32Array} shades
 * @param {Uint8Array} table 256 colours
 */
export function paintHeat(canvas, side, shades, table) {
  paint(canvas, side, shades, (shade) => {
    const at = 3 * Math.round(255 * clamp(shade, 0, 1));
    return [table[at], table[at + 1], table[at + 2], 255];
  });
}

/**
 * The difference of two maps, from -1, where the other is higher, to 1; transparent where they agree.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} side
 * @param {Float32Array} differences
 * @param {Uint8Array} table 256 colours
 */
export function paintDifference(canvas, side, differences, table) {
  paint(canvas, side, differences, (shade) => {
    const at = 3 * Math.round((255 * (shade + 1)) / 2);
    return [table[at], table[at + 1], table[at + 2], Math.round(255 * Math.abs(shade))];
  });
}
