// A box on a picture, to be dragged and resized by pointer or keyboard: edges as shares of the sides.
const STEP = 1 / 56, ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

function grabOf(tile, label, onBox) {
  const handle = make("i", { class: "mv-handle" });
  const node = make("button", { type: "button", class: "mv-grab", hidden: true, aria: { label } }, handle);
  let box = [0.25, 0.25, 0.75, 0.75];
  function set(next) {
    box = [...next];
    outline(node, box);
  }
  function move(next) {
    set(next);
    onBox(box);
  }
  function shift(down, across, resize) {
    const [top, left, bottom, right] = box;
    if (resize) return move([top, left, clamp(bottom + down, top + STEP, 1), clamp(right + across, left + STEP, 1)]);
    const [y, x] = [clamp(down, -top, 1 - bottom), clamp(across, -left, 1 - right)];
    move([top + y, left + x, bottom + y, right + x]);
  }
  node.addEventListener("keydown", (event) => {
    if (!ARROWS[event.key]) return;
    event.preventDefault();
    shift(...ARROWS[event.key].map((step) => step * STEP), event.shiftKey);
  });
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.focus();
    node.setPointerCapture(event.pointerId);
    let at = [event.clientY, event.clientX];
    const resize = event.target === handle;
    const drag = (next) => {
      const side = tile.clientWidth;
      shift((next.clientY - at[0]) / side, (next.clientX - at[1]) / side, resize);
      at = [next.clientY, next.clientX];
    };
    node.addEventListener("pointermove", drag);
    node.addEventListener("lostpointercapture", () => node.removeEventListener("pointermove", drag), { once: true });
  });
  return { node, set, held: () => node.matches(":active") };
}
