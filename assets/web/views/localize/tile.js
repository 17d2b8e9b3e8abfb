// One map: the picture in grey, the heat over it, the true box, and the box around the brightest part.
import { make, outline } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { t } from "../../lib/texts.js";

/** @import { DrawnRow } from "../../types.js" */
/** @import { LookModel } from "./model.js" */
/** @import { painterOf } from "./paint.js" */

/**
 * @param {"div" | "button"} tag
 * @param {LookModel} model
 * @param {ReturnType<typeof painterOf>} painter
 */
export function tileOf(tag, model, painter) {
  const canvas = make("canvas");
  const box = make("span", { class: "mv-box" });
  const object = make("span", { class: "mv-object" });
  const node = make(tag, { class: "mv-tile mv-heat-tile" }, make("span", { class: "mv-layer" }), canvas, object, box);

  /** @param {DrawnRow} row @param {number} slot */
  const paint = (row, slot) => painter.paint(canvas, row, slot);

  /** @param {DrawnRow} row @param {number} slot */
  function frame(row, slot) {
    outline(box, model.box(row, slot));
    outline(object, model.truth(slot));
    object.className = `mv-object mv-object-${"ab"[slot]}`;
    node.classList.toggle("mv-nowhere", !row.looks[slot].range);
  }
  return { node, paint, frame };
}

/**
 * A map's probability and IoU, as far as they are known.
 *
 * @param {LookModel} model
 * @param {DrawnRow} row
 * @param {number} slot
 */
export function numbersOf(model, row, slot) {
  const { probability } = row.looks[slot];
  const iou = model.fit(row, slot);
  return [
    probability === undefined ? "" : percent(probability) + model.mark(row),
    iou === null ? "" : t("look.iou", { iou: iou.toFixed(2) }),
  ]
    .filter(Boolean)
    .join(" · ");
}

/** @param {LookModel} model @param {DrawnRow} row @param {number} slot */
export const altOf = (model, row, slot) =>
  t(row.looks[slot].range ? "look.alt" : "look.nowhere", {
    title: model.titleOf(row),
    name: model.nameOf(slot, row),
  });
