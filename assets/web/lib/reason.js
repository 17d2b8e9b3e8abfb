// The label and its reason: from what λ asked for to the label, the rule in words, and whether the label is fair.
import { labelBar, make } from "./dom.js";
import { percent } from "./numbers.js";
import { sentence, t } from "./texts.js";

/** @import { Card, Reason } from "../types.js" */

export function reasonOf() {
  const bar = labelBar();
  const chain = make("p", { class: "mv-chain" });
  const why = make("p", { class: "mv-why" });
  const told = make("p", { class: "mv-told" });

  /** @param {{ card: Card, names: string[], reason: Reason, edited: string | null, judge: string }} value */
  function update({ card, names, reason, edited, judge }) {
    const letter = 0.58 * parseFloat(getComputedStyle(bar.node).fontSize); // its width, about
    bar.update(names, card.share, bar.node.clientWidth / letter);
    const { asked } = reason;
    const steps = asked === null || edited ? [] : [t("learn.asked", { share: percent(asked) })];
    if (reason.key === "reason.clipped" && !edited) steps.push(t("learn.clipped"));
    steps.push(t("learn.got", { share: percent(reason.share), name: names[1] }));
    chain.textContent = card.pair ? steps.join(" → ") : "";
    why.textContent = t(edited ? "reason.by_hand" : reason.key, { ...reason.values, a: names[0], b: names[1] });
    told.textContent = `${sentence(card.sentence, names)} ${t(`judge.${judge}`)}`;
  }

  return { bar: bar.node, nodes: [chain, why, told], update };
}
