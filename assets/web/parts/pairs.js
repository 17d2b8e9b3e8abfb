// The bundled pairs, each a button with its two pictures.
import { make, partOf } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Context } from "../types.js" */

/** @typedef {Record<"a" | "b" | "label_a" | "label_b" | "picture_a" | "picture_b", string>} Pair */

/** @param {Pair} pair */
function buttonOf(pair) {
  const title = t("pair", { a: t(`object.${pair.label_a}`), b: t(`object.${pair.label_b}`) });
  return make(
    "button",
    { title, aria: { label: title }, on: { click: () => mixviz.restore({ a: pair.a, b: pair.b }) } },
    make("img", { src: pair.picture_a, alt: "" }),
    make("img", { src: pair.picture_b, alt: "" }),
  );
}

/** @param {Context<Pair[]>} context */
export default function pairs({ element, props }) {
  partOf(element).append(
    make("h2", { class: "mv-heading", textContent: t("pairs") }),
    make("div", { class: "mv-pairs" }, ...props.value.map(buttonOf)),
  );
}
