// A box on a picture that pointer or keyboard drags and resizes; its edges are fractions of the sides.
import { shifted } from "./boxes.js";
import { make, outline } from "./dom.js";

/** @import { Edges } from "../types.js" */

const STEP = 1 / 56;

/** @type {Record<string, [down: number, across: number]>} */
export const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @param {HTMLElement} tile
 * @param {string} label
 * @param {(box: Edges) => void} onBox
 */
export function grabOf(tile, label, onBox) {
  const handle = make("i", { class: "mv-handle" });
  const node = make("button", { class: "mv-grab", hidden: true, aria: { label } }, handle);
  let box = [0.25, 0.25, 0.75, 0.75];

  /** @param {Edges} next */
  function set(next) {
    box = [...next];
    outline(node, box);
  }

  /** @param {number} down @param {number} across @param {boolean} resize */
  function shift(down, across, resize) {
    set(shifted(box, down, across, resize, STEP));
    onBox(box);
  }

  node.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    shift(step[0] * STEP, step[1] * STEP, event.shiftKey);
  });
  node.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    node.focus();
    node.setPointerCapture(event.pointerId);
    let at = [event.clientY, event.clientX];
    const resize = event.target === handle;
    /** @param {PointerEvent} next */
    const drag = (next) => {
      shift((next.clientY - at[0]) / tile.clientHeight, (next.clientX - at[1]) / tile.clientWidth, resize);
      at = [next.clientY, next.clientX];
    };
    node.addEventListener("pointermove", drag);
    node.addEventListener("lostpointercapture", () => node.removeEventListener("pointermove", drag), { once: true });
  });
  return { node, set, held: () => node.matches(":active") };
}
