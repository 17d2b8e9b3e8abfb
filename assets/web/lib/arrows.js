// Arrows from picture to picture, over whatever holds the pictures. They take no clicks and no room.
const SVG = "http://www.w3.org/2000/svg";

function arrowsOver(host) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "mv-arrows");
  svg.setAttribute("aria-hidden", "true");
  host.append(svg);
  const shape = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };

  // The middle of a picture, and half its side, as the host sees them.
  const spot = (node) => {
    const box = node.getBoundingClientRect(), origin = host.getBoundingClientRect();
    return { x: box.left - origin.left + box.width / 2, y: box.top - origin.top + box.height / 2, r: box.width / 2 };
  };

  // A line that bends to its right, so that of two pictures that meet each other both arrows are seen.
  function curve(from, to) {
    const [dx, dy] = [to.x - from.x, to.y - from.y], length = Math.hypot(dx, dy), [ux, uy] = [dx / length, dy / length];
    const bend = Math.min(0.16 * length, 46);
    const middle = { x: (from.x + to.x) / 2 - uy * bend, y: (from.y + to.y) / 2 + ux * bend };
    const back = Math.hypot(to.x - middle.x, to.y - middle.y), [vx, vy] = [(to.x - middle.x) / back, (to.y - middle.y) / back];
    const tip = { x: to.x - vx * to.r * 0.3, y: to.y - vy * to.r * 0.3 };
    return { path: `M${from.x} ${from.y}Q${middle.x} ${middle.y} ${tip.x} ${tip.y}`, tip, vx, vy };
  }

  function arrow({ from, to, kind, strong }) {
    const start = spot(from), group = shape("g", { class: `mv-arrow mv-arrow-${kind}${strong ? " mv-strong" : ""}` });
    if (from === to) {
      const r = start.r * 0.36;
      const loop = `M${start.x} ${start.y - r}A${r} ${r} 0 1 1 ${start.x - r} ${start.y}`;
      group.append(...["mv-halo", ""].map((name) => shape("path", { class: name, d: loop })), head({ x: start.x - r, y: start.y - 7 }, 0, -1));
      return group;
    }
    const { path, tip, vx, vy } = curve(start, spot(to));
    group.append(...["mv-halo", ""].map((name) => shape("path", { class: name, d: path })), shape("circle", { cx: start.x, cy: start.y, r: 4.5 }), head(tip, vx, vy));
    return group;
  }

  function head({ x, y }, vx, vy) {
    const [long, wide] = [13, 7], corner = (along, aside) => `${x + vx * along - vy * aside},${y + vy * along + vx * aside}`;
    return shape("polygon", { points: [corner(5, 0), corner(-long, wide), corner(-long, -wide)].join(" ") });
  }

  return {
    draw: (list) => svg.replaceChildren(...[...list].sort((one, other) => !!one.strong - !!other.strong).map(arrow)),
  };
}
