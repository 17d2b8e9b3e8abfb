// The row above the maps: what the networks look at, the classes that are explained, and how the mixture is made.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { className, t } from "../../lib/texts.js";
import { chipsOf, fieldOf, optionOf } from "./controls.js";
import { SLOTS } from "./model.js";

/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model */
export function requestRow(model) {
  const subject = chipsOf("subject", ["a", "b", "mix"], (choice) => mixviz.set({ subject: choice }));
  const method = make("select", {
    on: { change: ({ target }) => mixviz.open("localize", { method: target.value, subject: "mix" }) },
  });
  const classes = SLOTS.map((slot) => {
    const select = make("select", { on: { change: () => ask(slot) } });
    return { select, field: fieldOf(`mv-look-class-${slot}`, t("look.class", { letter: "AB"[slot] }), select) };
  });
  const methodField = fieldOf("mv-look-method", t("look.mixed_by"), method);
  const lam = make("span", { class: "mv-look-lam", data: { control: "lam" } });
  const mixing = make("div", { class: "mv-look-row" }, lam);
  const more = make("span", { data: { control: "more" } });
  const asked = make(
    "div",
    { class: "mv-look-row" },
    make("span", { data: { control: "pictures" } }),
    make("div", { class: "mv-field" }, make("span", { textContent: t("look.subject") }), subject.node),
    methodField,
    more,
  );

  /** @param {number} slot */
  function ask(slot) {
    const wanted = [...mixviz.state.classes];
    wanted[slot] = classes[slot].select.value;
    mixviz.set({ classes: wanted });
  }

  /** @param {number} slot */
  function offer(slot) {
    const { name, known, label } = model.value.classes[slot];
    const chosen = mixviz.state.classes[slot];
    const sure = known || !!label?.classes.length;
    const found = sure ? className(name) : t("look.guess", { name: className(name) });
    const automatic = chosen ? t("look.automatic") : found;
    /** @param {string} text @param {string[]} names */
    const group = (text, names) =>
      make("optgroup", { label: text }, ...names.map((one) => optionOf(one, className(one))));
    classes[slot].select.replaceChildren(
      optionOf("", automatic),
      ...(label && label.classes.length > 1 ? [group(`“${label.text}”`, label.classes)] : []),
      group(
        t("look.classes"),
        model.about.classes.filter((one) => label?.classes.length === 1 || !label?.classes.includes(one)),
      ),
      optionOf("*", t("look.own")),
    );
    classes[slot].select.value = chosen === "*" ? chosen : chosen && name;
  }

  /** @param {HTMLElement} aside where the class stands whose maps are not in sight */
  function update(aside) {
    const { of } = model.value.subject;
    subject.mark(of);
    mixing.hidden = methodField.hidden = more.hidden = of !== "mix";
    if (!method.options.length)
      method.append(...Object.entries(mixviz.methods).map(([name, [title]]) => optionOf(name, title)));
    method.value = mixviz.state.method;
    for (const slot of SLOTS) {
      const place = !model.slots.includes(slot) ? aside : of === "mix" ? mixing : asked;
      if (classes[slot].field.parentElement !== place) place.append(classes[slot].field);
      offer(slot);
    }
  }
  return { nodes: [asked, mixing], update };
}
