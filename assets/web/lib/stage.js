// The large picture of the one-method view: a before/after slider, a box to drag, a mask to paint.
const CELLS = 28;

function stageOf(onBox, onMask) {
  const before = make("div", { class: "mv-layer" }), mixed = make("div", { class: "mv-layer" });
  const canvas = make("canvas", { class: "mv-paint", width: CELLS, height: CELLS, hidden: true, tabIndex: 0, aria: { role: "application", label: t("paint") } });
  const shown = make("div", { class: "mv-box" });
  const tile = make("div", { class: "mv-tile mv-stage-tile" }, before, mixed, shown);
  const grab = grabOf(tile, t("move"), (edges) => { box = edges; onBox(edges); });
  tile.append(grab.node, canvas);
  mixed.setAttribute("role", "img");
  const cut = make("input", { type: "range", min: 0, max: 100, value: 100, aria: { label: t("slide") }, on: { input: () => slide() } });
  const slide = () => (mixed.style.clipPath = `inset(0 ${100 - cut.value}% 0 0)`);
  let box = null, cells = [], tool = "look", cursor = [CELLS / 2, CELLS / 2];

  function show(next) {
    tool = next;
    grab.node.hidden = tool !== "box";
    canvas.hidden = tool !== "paint";
    shown.hidden = tool !== "look" || !box;
    cut.disabled = tool !== "look";
    if (tool !== "look") {
      cut.value = 100;
      slide();
    }
  }

  function drawCells(all) {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, CELLS, CELLS);
    pen.fillStyle = "#0009";
    if (all) cells.forEach((row, y) => row.forEach((keep, x) => keep || pen.fillRect(x, y, 1, 1)));
    if (document.activeElement === canvas) {
      pen.fillStyle = "#ef4444";
      pen.fillRect(cursor[1], cursor[0], 1, 1);
    }
  }
  function paint(y, x, keep, width = 1) {
    for (let i = y - width; i <= y + width; i++) for (let j = x - width; j <= x + width; j++) if (cells[i]?.[j] !== undefined) cells[i][j] = keep;
    drawCells(true);
    onMask(cells.map((row) => row.map(Number).join("")));
  }
  const cell = (event) => {
    const area = canvas.getBoundingClientRect();
    return [Math.floor((CELLS * (event.clientY - area.top)) / area.height), Math.floor((CELLS * (event.clientX - area.left)) / area.width)];
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    const start = cell(event), keep = !cells[start[0]]?.[start[1]];
    paint(...start, keep);
    const move = (next) => paint(...cell(next), keep);
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("lostpointercapture", () => { canvas.removeEventListener("pointermove", move); drawCells(false); }, { once: true });
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.key === " ") {
      event.preventDefault();
      paint(...cursor, !cells[cursor[0]][cursor[1]]);
    } else if (ARROWS[event.key]) {
      event.preventDefault();
      cursor = cursor.map((at, i) => clamp(at + ARROWS[event.key][i], 0, CELLS - 1));
      drawCells(false);
    }
  });
  for (const event of ["focus", "blur"]) canvas.addEventListener(event, () => drawCells(false));

  return {
    tile, cut, show,
    update: (value, url) => {
      const count = value.tiles.length;
      place(before, url, value.tiles.indexOf("a"), count);
      place(mixed, url, value.tiles.indexOf("mixed"), count);
      mixed.setAttribute("aria-label", t("alt_mixed", { name: value.names[0], title: value.card.title }));
      if (!grab.held()) {
        box = value.card.target ? [...value.card.target] : [0.25, 0.25, 0.75, 0.75];
        grab.set(box);
      }
      outline(shown, value.card.target);
      if (!canvas.matches(":active")) cells = value.mask.map((row) => [...row].map(Number).map(Boolean));
      show(tool);
      shown.hidden = tool !== "look" || !value.card.target;
    },
  };
}
