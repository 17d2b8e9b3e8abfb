// The legend of the maps: the colours, and the boxes drawn over them.
import { make } from "../../lib/dom.js";
import { penOf } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { SLOTS } from "./model.js";

/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model */
export function legendOf(model) {
  const ramp = make("canvas", {
    class: "mv-ramp",
    width: 256,
    height: 1,
    aria: { role: "img", label: t("look.ramp") },
  });
  const [low, high, box] = [make("span"), make("span"), make("span")];
  const truths = SLOTS.map((slot) => {
    const text = make("span");
    return { text, node: make("span", {}, make("i", { class: `mv-key-true mv-object-${"ab"[slot]}` }), text) };
  });
  const node = make(
    "div",
    { class: "mv-look-key" },
    make("div", { class: "mv-ramp-row" }, low, ramp, high),
    make("span", {}, make("i"), box),
    ...truths.map((one) => one.node),
  );

  /**
   * @param {{ table: Uint8Array, low: string, high: string }} key
   * @param {number[]} slots whose true boxes are drawn
   */
  function update(key, slots) {
    [low.textContent, high.textContent] = [key.low, key.high];
    box.textContent = t("look.key_box", { threshold: model.show.threshold.toFixed(2) });
    truths.forEach((one, slot) => {
      one.node.hidden = !slots.includes(slot) || !model.truth(slot);
      one.text.textContent = t("look.key_true", { name: model.objectOf(slot) });
    });
    const pen = penOf(ramp);
    const image = pen.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([...key.table.subarray(3 * i, 3 * i + 3), 255], 4 * i);
    pen.putImageData(image, 0, 0);
  }
  return { node, update };
}
