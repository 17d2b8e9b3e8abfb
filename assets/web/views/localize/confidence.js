// Confidences on two scales: networks trained with binary cross-entropy beside those trained with softmax.
import { make } from "../../lib/dom.js";
import { language, t } from "../../lib/texts.js";

/** @import { LookModel } from "./model.js" */

/** The sentence about the marked percentages, while networks of both kinds are in sight. @param {LookModel} model */
export function confidenceLine(model) {
  const node = make("p", { class: "mv-look-confidence" });

  function update() {
    const marked = model.networks.filter((row) => model.mark(row));
    node.hidden = !marked.length;
    const networks = new Intl.ListFormat(language()).format(marked.map((row) => model.titleOf(row)));
    node.textContent = t("look.bce", { networks });
  }
  return { node, update };
}
