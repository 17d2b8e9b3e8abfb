// A scatter plot as a standalone figure: its title, the visitor's own pictures, and a legend.
import { make } from "./dom.js";
import { PLAIN, orderOf, placesOf } from "./points.js";
import { FONT, GROUND, INK, markPath, penOf, standalone, svg, widthOf } from "./svg.js";
import { t } from "./texts.js";

/** @import { Lit, Spot, Style, Tile } from "../types.js" */

const [SQUARE, EDGE, HEAD, ROW] = [640, 26, 44, 20]; // pixels

/**
 * One picture of a sheet as a data URI, which a file can embed.
 *
 * @param {Tile} tile
 */
async function cutOut({ url, index, columns, rows }) {
  const image = new Image();
  image.src = url ?? "";
  await image.decode();
  const [width, height] = [image.width / columns, image.height / rows];
  const page = make("canvas", { width, height });
  penOf(page).drawImage(
    image,
    (index % columns) * width,
    Math.floor(index / columns) * height,
    width,
    height,
    0,
    0,
    width,
    height,
  );
  return page.toDataURL("image/png");
}

/** @param {Style} style @param {number} x @param {number} y @param {number} radius */
function pointOf({ hue, mark }, x, y, radius) {
  const open = mark === "cross";
  const colour = `var(--mv-s${hue})`;
  return svg("path", {
    class: "mv-mark",
    d: markPath(mark, +x.toFixed(1), +y.toFixed(1), radius),
    fill: open ? "none" : colour,
    stroke: open ? colour : GROUND,
    "stroke-width": radius / (open ? 2.2 : 6),
  });
}

/**
 * The symbol of a legend's entry.
 *
 * @param {(x: number, y: number) => SVGElement} draw
 */
const at = (draw) => draw;

/** @param {Spot} point */
const edgeOf = ({ letter, guessed }) => ({
  fill: "none",
  stroke: letter ? `var(--mv-${letter.toLowerCase()})` : INK,
  "stroke-width": letter ? 2 : 1,
  "stroke-dasharray": guessed ? "4 3" : null,
});
/** @param {string} letter @param {number} x @param {number} y */
const letterOf = (letter, x, y) =>
  svg(
    "g",
    { transform: `translate(${x} ${y})` },
    svg("circle", { r: 8, fill: `var(--mv-${letter.toLowerCase()})` }),
    svg("text", { y: 4, fill: "#fff", "font-size": 11, "font-weight": 650, "text-anchor": "middle" }, letter),
  );

/** @param {Spot} point @param {number} x @param {number} y */
async function ownOf(point, x, y) {
  const side = point.letter ? 36 : 28;
  const [left, top] = [x - side / 2, y - side / 2];
  const group = svg(
    "g",
    { "data-own": point.title },
    svg("image", { href: point.tile ? await cutOut(point.tile) : null, x: left, y: top, width: side, height: side }),
    svg("rect", { x: left, y: top, width: side, height: side, ...edgeOf(point) }),
  );
  if (point.letter) group.append(letterOf(point.letter, left, top));
  return group;
}

/**
 * `entries` of the legend: {text, style}.
 *
 * @param {HTMLElement} node
 * @param {string} title
 * @param {Spot[]} points
 * @param {Style[]} styles
 * @param {Lit} lit
 * @param {{ text: string, style: Style }[]} entries
 */
export async function figureOf(node, title, points, styles, lit, entries) {
  const places = placesOf(points, SQUARE, EDGE);
  /** @param {Spot} point */
  const dim = (point) => !!lit && !lit(point);
  const own = points.filter((point) => point.own);
  const others = own.find(({ group, letter }) => group === "own" && !letter);
  const said = [
    ...own
      .filter((point) => point.letter)
      /** @param {number} x @param {number} y */
      .map((point) => ({ text: point.title, key: at((x, y) => letterOf(point.letter ?? "", x, y)) })),
    ...(others
      ? [
          {
            text: t("embed.show_photographs"),
            /** @param {number} x @param {number} y */
            key: (x, y) => svg("rect", { x: x - 6, y: y - 6, width: 12, height: 12, ...edgeOf(others) }),
          },
        ]
      : []),
    /** @param {number} x @param {number} y */
    ...entries.map(({ text, style }) => ({ text, key: at((x, y) => pointOf(style, x, y, 5)) })),
  ];
  const columns = Math.max(1, Math.floor((SQUARE - EDGE) / (36 + Math.max(...said.map(({ text }) => widthOf(text))))));
  const height = HEAD + SQUARE + ROW * Math.ceil(said.length / columns) + 14;
  const whole = svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width: SQUARE, height, "font-family": FONT, "font-size": 12 },
    svg("rect", { width: "100%", height: "100%", fill: GROUND }),
    svg("text", { x: EDGE, y: 28, fill: INK, "font-size": 16, "font-weight": 650 }, title),
  );
  const plot = svg("g", { transform: `translate(0 ${HEAD})` });
  for (const i of orderOf(points, dim)) {
    const mark = pointOf(styles[Number(points[i].group)] ?? PLAIN, places[i][0], places[i][1], 5);
    mark.setAttribute("opacity", dim(points[i]) ? "0.13" : "0.92");
    plot.append(mark);
  }
  plot.append(
    ...(await Promise.all(points.flatMap((point, i) => (point.own ? [ownOf(point, places[i][0], places[i][1])] : [])))),
  );
  whole.append(
    plot,
    ...said.flatMap(({ text, key }, i) => {
      const x = EDGE + ((i % columns) * (SQUARE - EDGE)) / columns;
      const y = HEAD + SQUARE + ROW * (Math.floor(i / columns) + 0.5);
      return [key(x, y), svg("text", { x: x + 16, y: y + 4, fill: INK }, text)];
    }),
  );
  return standalone(whole, getComputedStyle(node));
}
