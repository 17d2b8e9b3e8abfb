// Heat maps as the server sends them: bytes on each map's own scale from 0 to 255, and what its two ends stand for.
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

// The value of byte q: the map's own, not beyond the layer's lowest and highest, which bicubic curves overshoot.
const valueOf = ([low, high, least, most]) => (q) => Math.min(Math.max(low + ((high - low) * q) / 255, least), most);

// The ends of the colours for all maps of the picture: `shared` from the lowest to the highest value, `raw` with 0.
function endsOf(looks, scale) {
  let [low, high] = [Infinity, -Infinity];
  for (const { range, bytes } of looks.filter((one) => one.range)) {
    const value = valueOf(range);
    low = Math.min(low, value(bytes.reduce((a, b) => Math.min(a, b))));
    high = Math.max(high, value(bytes.reduce((a, b) => Math.max(a, b))));
  }
  return scale === "raw" ? [Math.min(0, low), Math.max(0, high)] : [low, high];
}

// The map in numbers: from 0 to 1 on its own scale or one for all, or as it is.
function valuesOf(look, scale, ends) {
  if (!look.range) return new Float32Array(look.bytes.length);
  if (scale === "image") return Float32Array.from(look.bytes, (q) => q / 255);
  const value = valueOf(look.range), [low, high] = scale === "raw" ? [0, 1] : ends;
  return Float32Array.from(look.bytes, (q) => (high > low ? (value(q) - low) / (high - low) : 0));
}
function shadesOf(look, scale, ends) {
  if (scale !== "raw" || !look.range) return valuesOf(look, scale, ends);
  const value = valueOf(look.range), [low, high] = ends;
  return Float32Array.from(look.bytes, (q) => (high > low ? (value(q) - low) / (high - low) : 0));
}

function paintHeat(canvas, side, shades, table) {
  Object.assign(canvas, { width: side, height: side });
  const pen = canvas.getContext("2d"), image = pen.createImageData(side, side);
  shades.forEach((shade, i) => {
    const at = 3 * Math.round(255 * Math.min(Math.max(shade, 0), 1));
    image.data.set([table[at], table[at + 1], table[at + 2], 255], 4 * i);
  });
  pen.putImageData(image, 0, 0);
}

// From -1, where the other network looks more, to 1; where nothing differs the picture shows through.
function paintDifference(canvas, side, signed, table) {
  Object.assign(canvas, { width: side, height: side });
  const pen = canvas.getContext("2d"), image = pen.createImageData(side, side);
  signed.forEach((shade, i) => {
    const at = 3 * Math.round((255 * (shade + 1)) / 2);
    image.data.set([table[at], table[at + 1], table[at + 2], Math.round(255 * Math.abs(shade))], 4 * i);
  });
  pen.putImageData(image, 0, 0);
}

// The box at a threshold, in shares of the sides; null where the map points nowhere.
function boxAt(look, threshold, side) {
  const box = look.boxes[Math.min(Math.round(threshold * look.boxes.length), look.boxes.length - 1)];
  return box[2] > box[0] && box[3] > box[1] ? box.map((edge) => edge / side) : null;
}

function overlap(one, other) {
  if (!one || !other) return 0;
  const [height, width] = [0, 1].map((i) => Math.max(0, Math.min(one[i + 2], other[i + 2]) - Math.max(one[i], other[i])));
  const area = ([top, left, bottom, right]) => (bottom - top) * (right - left);
  return (height * width) / (area(one) + area(other) - height * width);
}
