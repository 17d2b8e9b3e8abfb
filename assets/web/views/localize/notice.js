// What a picture's label means to the networks: nothing, several of their classes, or one of them.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { className, language, t } from "../../lib/texts.js";

/** @import { LookModel } from "./model.js" */

const FEW = 3; // classes to name; more are in the menu
const LISTS = { en: "en-GB", ko: "ko" }; // British English has no comma before the last "or"

/** @param {LookModel} model */
export function labelNotice(model) {
  const node = make("div", { class: "mv-look-labels" });
  /** @type {string} */
  let said = "";

  /** @param {string[]} names */
  const listed = (names) => {
    const code = LISTS[/** @type {keyof typeof LISTS} */ (language())];
    return new Intl.ListFormat(code, { type: "disjunction" }).format(names.map(className));
  };

  /** @param {number} slot */
  function told(slot) {
    const { name, label } = model.value.classes[slot];
    const chosen = !!mixviz.state.classes[slot];
    const { classes } = model.about;
    if (!label || (label.classes.length && (chosen || label.classes.length < 2))) return [];
    if (label.classes.length)
      return [
        make("p", {
          class: "mv-told",
          aria: { role: "status" },
          textContent: t(label.classes.length > FEW ? "look.could_many" : "look.could", {
            label: label.text,
            classes: listed(label.classes),
            count: label.classes.length,
            name: className(name),
          }),
        }),
      ];
    return [
      make(
        "section",
        { class: "mv-unknown", data: { slot }, aria: { role: "alert" } },
        make("strong", { textContent: t("look.unknown", { label: label.text }) }),
        make("p", { textContent: t(chosen ? "look.unknown_count" : "look.unknown_why", { count: classes.length }) }),
        make(
          "details",
          {},
          make("summary", { textContent: t("look.classes_known") }),
          make("p", { textContent: classes.map(className).join(", ") }),
        ),
      ),
    ];
  }

  /** Rewrites the notices only if they change: they are read out. */
  function update() {
    const now = JSON.stringify([model.slots, model.value.classes, mixviz.state.classes, model.about.classes.length]);
    if (now === said) return;
    said = now;
    node.replaceChildren(...model.slots.flatMap(told));
  }
  return { node, update };
}
