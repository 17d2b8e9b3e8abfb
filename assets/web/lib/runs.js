// Masks of a square picture as COCO's run-lengths: column by column, the first run of pixels outside.
export const SIDE = 224; // pixels, as on the server

/**
 * @param {ArrayLike<number>} mask row by row, 0 outside
 * @param {number} [side]
 * @returns {number[]}
 */
export function runsOf(mask, side = SIDE) {
  const runs = [0];
  let inside = false;
  for (let x = 0; x < side; x++) {
    for (let y = 0; y < side; y++) {
      if (!!mask[y * side + x] !== inside) {
        inside = !inside;
        runs.push(0);
      }
      runs[runs.length - 1]++;
    }
  }
  return runs;
}

/**
 * The mask of one or more lists of run-lengths, row by row.
 *
 * @param {number[][]} several
 * @param {number} [side]
 */
export function maskOf(several, side = SIDE) {
  const mask = new Uint8Array(side * side);
  for (const runs of several) {
    let at = 0;
    runs.forEach((length, i) => {
      for (const end = at + length; at < end; at++) if (i % 2) mask[(at % side) * side + Math.floor(at / side)] = 1;
    });
  }
  return mask;
}
