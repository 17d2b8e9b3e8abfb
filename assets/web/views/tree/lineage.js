// The family tree as a drawing: a column per year, a lane per family, a box per idea, a curve from parent to child.
// Years without an idea take no room, and all years before the first method that others build on share a column.
import { FONT, GROUND, INK, LINE, PALE, colourOf, standalone, svg, widthOf } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { known } from "../../lib/maps.js";

/** @import { Idea, IdeaBox, Placed, Tree } from "../../types.js" */

const SIZE = 14; // of all text
const BOX = { width: 140, height: 40, gap: 9 };
const COLUMN = { least: 180, most: 210 };
const LANE = { pad: 11 };
const AXIS = 30;

/**
 * The layout: {start, width, height, columns, lanes, boxes: Map name -> {x, y, idea}}; the lanes' names end at `start`.
 *
 * @param {Tree} tree
 * @param {number} room
 * @param {number} [most]
 */
export function layOut({ ideas, families }, room, most = COLUMN.most) {
  const dated = ideas.filter(({ ancestor, children }) => !ancestor && children.length);
  const first = Math.min(...dated.flatMap(({ year }) => year || []));
  /** @param {Idea} idea */
  const columnOf = ({ year }) => (year && year < first ? 1 : year);
  const years = [...new Set(ideas.map(columnOf))].sort((a, b) => (a || Infinity) - (b || Infinity));
  const start = 24 + Math.max(...families.map((family) => bold(t(`family.${family}`))));
  const column = Math.min(Math.max((room - start) / years.length, COLUMN.least), most);
  const columns = years.map((year, i) => ({
    said: year === 1 ? t("tree.before", { year: first }) : yearOf(year),
    x: start + i * column,
  }));
  const boxes = new Map();
  const lanes = [];
  let y = AXIS;
  for (const family of families) {
    const rows = rowsOf(
      ideas.filter((idea) => idea.family === family),
      (idea) => years.indexOf(columnOf(idea)),
    );
    const height = rows.length * (BOX.height + BOX.gap) - BOX.gap + 2 * LANE.pad;
    // Within a year's column the month moves a box to the right.
    rows.forEach((row, j) =>
      row.forEach((idea) =>
        boxes.set(idea.name, {
          idea,
          x: columns[years.indexOf(columnOf(idea))].x + 4 + ((idea.month || 6) / 12) * (column - BOX.width - 36),
          y: y + LANE.pad + j * (BOX.height + BOX.gap),
        }),
      ),
    );
    lanes.push({ family, y, height });
    y += height;
  }
  return { start, width: start + columns.length * column, height: y + 4, columns, lanes, boxes };
}

/**
 * Assigns the ideas of a lane to rows. A line runs along its parent's row, so the row stays free up to the last child;
 * a line that leaves the lane occupies the row for one column only.
 *
 * @param {Idea[]} ideas
 * @param {(idea: Idea) => number} columnOf
 */
function rowsOf(ideas, columnOf) {
  const named = new Map(ideas.map((idea) => [idea.name, idea]));
  /** @type {Idea[][]} */
  const rows = [];
  /** @param {Idea} idea */
  const last = (idea) => {
    const here = idea.children.filter((name) => named.has(name));
    return Math.max(
      columnOf(idea) + Number(here.length < idea.children.length),
      ...here.map((name) => columnOf(known(named, name))),
    );
  };
  for (const idea of ideas) {
    const at = columnOf(idea);
    /** @param {Idea[]} row */
    const free = (row) =>
      columnOf(row[row.length - 1]) < at &&
      row.every((other) => last(other) < at || (last(other) === at && other.children.includes(idea.name)));
    const row =
      rows.find((one) => free(one) && one.some((other) => idea.parents.includes(other.name))) ?? rows.find(free);
    row ? row.push(idea) : rows.push([idea]);
  }
  return rows;
}

/** @param {string} text */
const bold = (text) => 1.08 * widthOf(text, SIZE);

/** @param {number | null} year */
export const yearOf = (year) => (year ? String(year) : t("tree.unknown"));

/**
 * A curve from the right edge of the parent to the left edge of the child; around, if the child is not to the right.
 *
 * @param {IdeaBox} from
 * @param {IdeaBox} to
 */
function curveOf(from, to) {
  const [y0, y1, x1] = [from.y + BOX.height / 2, to.y + BOX.height / 2, to.x - 1];
  if (to.x > from.x + BOX.width + 6) {
    const x0 = from.x + BOX.width;
    const k = Math.max(24, (x1 - x0) / 2);
    return `M${x0} ${y0}C${x0 + k} ${y0} ${x1 - k} ${y1} ${x1} ${y1}`;
  }
  const x0 = from.x + 12;
  const edge = to.y > from.y ? from.y + BOX.height : from.y;
  return `M${x0} ${edge}C${x0 - 6} ${(edge + y1) / 2} ${x0 - 22} ${y1} ${x1} ${y1}`;
}

/**
 * Breaks a title into at most two lines that fit into a box.
 *
 * @param {string} title
 * @param {number} room
 */
function linesOf(title, room) {
  if (bold(title) <= room) return [title];
  const words = title.split(/(?<=[ -])|(?<=[a-z])(?=[A-Z])/);
  const lines = [""];
  for (const word of words)
    bold(lines.at(-1) + word) <= room || !lines.at(-1) ? (lines[lines.length - 1] += word) : lines.push(word);
  return lines.length > 2 ? [lines[0], `${lines[1].trimEnd()}…`] : lines;
}

/** @param {Tree} value @param {Placed} placed @param {{ each?: (node: SVGElement, idea: Idea) => void }} [options] */
export function drawLineage(value, placed, options = {}) {
  const { width, height, columns, lanes, boxes } = placed;
  /** @param {string} name */
  const family = (name) => colourOf(value.families.indexOf(name));
  const body = svg("g");
  const edges = svg("g", { fill: "none" });
  const nodes = svg("g");
  lanes.forEach((lane, i) =>
    body.append(
      svg("rect", {
        x: 0,
        y: lane.y,
        width,
        height: lane.height,
        fill: i % 2 ? "none" : "var(--background-fill-secondary)",
      }),
      svg("rect", { x: 0, y: lane.y, width: 4, height: lane.height, fill: family(lane.family) }),
      svg(
        "text",
        { x: 12, y: lane.y + lane.height / 2 + 5, fill: INK, "font-size": SIZE, "font-weight": 600 },
        t(`family.${lane.family}`),
      ),
    ),
  );
  for (const { said, x } of columns)
    body.append(
      svg("line", { x1: x, x2: x, y1: AXIS - 6, y2: height, stroke: LINE }),
      svg("text", { x: x + 6, y: AXIS - 10, fill: PALE, "font-size": SIZE, "font-weight": 600 }, said),
    );
  for (const to of boxes.values())
    for (const name of to.idea.parents) {
      edges.append(
        svg("path", {
          "data-from": name,
          "data-to": to.idea.name,
          d: curveOf(known(boxes, name), to),
          stroke: family(known(boxes, name).idea.family),
          "stroke-width": 1.8,
          opacity: 0.65,
        }),
      );
    }
  for (const { idea, x, y } of boxes.values()) {
    const lines = linesOf(idea.title, BOX.width - 14);
    const node = svg("g", { "data-idea": idea.name, transform: `translate(${x.toFixed(1)} ${y})` });
    node.append(
      svg("rect", {
        width: BOX.width,
        height: BOX.height,
        rx: 7,
        fill: GROUND,
        stroke: family(idea.family),
        "stroke-width": 1.6,
        "stroke-dasharray": idea.year ? null : "4 3",
      }),
      ...lines.map((line, i) =>
        svg(
          "text",
          {
            x: 8,
            y: lines.length > 1 ? 17 + 16 * i : 25,
            fill: INK,
            "font-size": SIZE,
            "font-weight": idea.ancestor ? 400 : 600,
            "font-style": idea.ancestor ? "italic" : null,
          },
          line,
        ),
      ),
    );
    options.each?.(node, idea);
    nodes.append(node);
  }
  body.append(edges, nodes);
  return { body, edges, nodes };
}

/**
 * A 16:9 slide with a title and the drawing as large as possible.
 *
 * @param {Tree} value
 * @param {CSSStyleDeclaration} style
 */
export function slideOf(value, style) {
  const [wide, high, head, edge] = [1600, 900, 84, 40];
  const { width, height } = layOut(value, 0);
  const asked = (height * (wide - 2 * edge)) / (high - head - edge); // the width that fills the slide
  const placed = layOut(value, Math.max(width, asked), Infinity);
  const scale = Math.min((wide - 2 * edge) / placed.width, (high - head - edge) / placed.height);
  const slide = svg("svg", {
    xmlns: "http://www.w3.org/2000/svg",
    width: wide,
    height: high,
    viewBox: `0 0 ${wide} ${high}`,
    "font-family": FONT,
  });
  slide.append(
    svg("rect", { width: wide, height: high, fill: GROUND }),
    svg("text", { x: edge, y: 56, fill: INK, "font-size": 34, "font-weight": 650 }, t("tree.slide")),
    svg(
      "g",
      {
        transform: `translate(${[
          (wide - placed.width * scale) / 2,
          head + (high - head - edge - placed.height * scale) / 2,
        ].join(" ")}) scale(${scale})`,
      },
      drawLineage(value, placed).body,
    ),
    svg("text", { x: wide - edge, y: high - 14, fill: PALE, "font-size": 14, "text-anchor": "end" }, "MixViz"),
  );
  return standalone(slide, style);
}
