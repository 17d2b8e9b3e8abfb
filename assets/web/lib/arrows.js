// An overlay of arrows between pictures, which takes no clicks and no room.
import { curve } from "./boxes.js";
import { svg } from "./svg.js";

/** @typedef {{ from: Element, to: Element, kind: string, strong: boolean }} Arrow */

/** @param {HTMLElement} host */
export function arrowsOver(host) {
  const canvas = svg("svg", { class: "mv-arrows", "aria-hidden": "true" });
  host.append(canvas);

  /** The centre of a picture and half its side, in the host's coordinates. @param {Element} node */
  const spot = (node) => {
    const box = node.getBoundingClientRect();
    const origin = host.getBoundingClientRect();
    return { x: box.left - origin.left + box.width / 2, y: box.top - origin.top + box.height / 2, r: box.width / 2 };
  };

  /** @param {Arrow} arrow */
  function arrow({ from, to, kind, strong }) {
    const start = spot(from);
    const group = svg("g", { class: `mv-arrow mv-arrow-${kind}${strong ? " mv-strong" : ""}` });
    /** @param {string} d */
    const lines = (d) => ["mv-halo", ""].map((name) => svg("path", { class: name, d }));
    if (from === to) {
      const r = start.r * 0.36;
      const loop = `M${start.x} ${start.y - r}A${r} ${r} 0 1 1 ${start.x - r} ${start.y}`;
      group.append(...lines(loop), head({ x: start.x - r, y: start.y - 7 }, 0, -1));
      return group;
    }
    const { path, tip, vx, vy } = curve(start, spot(to));
    group.append(...lines(path), svg("circle", { cx: start.x, cy: start.y, r: 4.5 }), head(tip, vx, vy));
    return group;
  }

  /** @param {{ x: number, y: number }} tip @param {number} vx @param {number} vy */
  function head({ x, y }, vx, vy) {
    const [long, wide] = [13, 7];
    /** @param {number} along @param {number} aside */
    const corner = (along, aside) => `${x + vx * along - vy * aside},${y + vy * along + vx * aside}`;
    return svg("polygon", { points: [corner(5, 0), corner(-long, wide), corner(-long, -wide)].join(" ") });
  }

  /** @param {Arrow[]} list */
  const draw = (list) => {
    const ordered = [...list].sort((one, other) => Number(one.strong) - Number(other.strong));
    canvas.replaceChildren(...ordered.map(arrow));
  };
  return { draw };
}
