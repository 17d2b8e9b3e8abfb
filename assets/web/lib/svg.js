// SVG elements for plots, and export of figures.
import { hand, make } from "./dom.js";

export const MARKS = ["circle", "square", "up", "diamond", "down", "cross"];
export const DASHES = ["", "7 3", "2 3", "9 3 2 3"];
export const INK = "var(--body-text-color)";
export const PALE = "var(--body-text-color-subdued)";
export const LINE = "var(--border-color-primary)";
export const GROUND = "var(--block-background-fill)";
export const FONT = "system-ui, sans-serif";

/** @param {number} index */
export const colourOf = (index) => `var(--mv-s${index % 12})`;

/**
 * An SVG element; undefined and null attributes are omitted.
 *
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | null | undefined>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) node.setAttribute(key, String(value));
  }
  node.append(...children);
  return node;
}

/**
 * @param {string} kind one of MARKS
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
export function markPath(kind, x, y, r) {
  const k = r * 1.15;
  /** @type {Record<string, string>} */
  const shapes = {
    square: `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`,
    up: `M${x} ${y - k}L${x + k} ${y + r}H${x - k}z`,
    down: `M${x} ${y + k}L${x + k} ${y - r}H${x - k}z`,
    diamond: `M${x} ${y - k}L${x + k} ${y}L${x} ${y + k}L${x - k} ${y}z`,
    cross: `M${x - r} ${y - r}L${x + r} ${y + r}M${x + r} ${y - r}L${x - r} ${y + r}`,
  };
  return shapes[kind] ?? `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

/** @type {CanvasRenderingContext2D | null} */
let ruler = null;

/**
 * The width of a text in pixels.
 *
 * @param {string} text
 * @param {number} [size]
 */
export function widthOf(text, size = 12) {
  ruler ??= penOf(make("canvas"));
  ruler.font = `${size}px ${FONT}`;
  return ruler.measureText(text).width;
}

/**
 * The size of text in a drawing, in pixels: the style sheets set it, larger on phones.
 *
 * @param {Element} drawing
 */
export const textSize = (drawing) => parseFloat(getComputedStyle(drawing).fontSize);

/** @param {HTMLCanvasElement} canvas */
export const penOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * A figure as a standalone file, in the page's current colours.
 *
 * @param {SVGElement} figure
 * @param {CSSStyleDeclaration} style
 */
export function standalone(figure, style) {
  const text = new XMLSerializer().serializeToString(figure);
  return text.replace(/var\((--[\w-]+)\)/g, (_, variable) => style.getPropertyValue(variable).trim() || "#888");
}

/**
 * @param {string} text the figure as SVG
 * @param {string} kind svg or png
 * @param {string} name
 */
export async function handFigure(text, kind, name) {
  const blob = new Blob([text], { type: "image/svg+xml" });
  if (kind === "svg") return hand(blob, name);
  const image = new Image();
  const url = URL.createObjectURL(blob);
  image.src = url;
  await image.decode();
  const page = make("canvas", { width: 2 * image.width, height: 2 * image.height });
  penOf(page).drawImage(image, 0, 0, page.width, page.height);
  URL.revokeObjectURL(url);
  page.toBlob((png) => png && hand(png, name), "image/png");
}
