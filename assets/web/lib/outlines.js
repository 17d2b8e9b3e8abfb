// Outlines of the objects of A and B in a mixture, and how much of each can be seen.
import { make } from "./dom.js";
import { percent } from "./numbers.js";
import { svg } from "./svg.js";
import { language, t } from "./texts.js";

/** @import { Outline } from "../types.js" */

/** @param {boolean} [brief] is there little room for the text? */
export function outlinesOf(brief = false) {
  const node = svg("svg", { class: "mv-outlines", viewBox: "0 0 100 100", preserveAspectRatio: "none" });
  const text = make("p", { class: "mv-seen" });

  /**
   * @param {Outline[]} outlines empty if an object is unknown
   * @param {string[]} names of the pictures that are parts of the mixture
   */
  function update(outlines, names) {
    node.replaceChildren(
      ...outlines.map(({ of, path }) => svg("path", { d: path, class: `mv-outline-${"abcd"[of % 4]}` })),
    );
    const told = outlines.length ? names.map((name, i) => seen(outlines, name, i, brief)) : [];
    const list = new Intl.ListFormat(language(), { type: "unit" }).format(told);
    text.textContent = brief && list ? t("seen_all", { list }) : list;
  }
  return { node, text, update };
}

/**
 * How much of one picture's object is seen, in words.
 *
 * @param {Outline[]} outlines
 * @param {string} name
 * @param {number} of
 * @param {boolean} brief
 */
function seen(outlines, name, of, brief) {
  const own = outlines.filter((one) => one.of === of);
  const visible = own.reduce((sum, one) => sum + one.visible, 0);
  const weight = own.reduce((sum, one) => sum + one.visible * one.weight, 0) / (visible || 1);
  const share = percent(Math.min(visible, 1));
  const faint = visible > 0 && weight < 0.995;
  if (brief) return `${name} ${share}${faint ? ` × ${weight.toFixed(2)}` : ""}`;
  return t(faint ? "seen_faint" : "seen", { name, share, weight: percent(weight) });
}
