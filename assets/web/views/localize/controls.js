// Small controls of the view: chips of one choice, and a labelled field.
import { make, press } from "../../lib/dom.js";
import { named, t } from "../../lib/texts.js";

/** @param {string} name @param {string[]} choices @param {(choice: string) => void} run */
export function chipsOf(name, choices, run) {
  const node = make(
    "div",
    { class: "mv-chips", aria: { role: "group", label: t(`look.${name}`) } },
    ...choices.map((choice) =>
      make("button", {
        class: "mv-chip",
        data: { choice },
        textContent: t(`look.${name}.${choice}`),
        title: named(`look.${name}.${choice}.why`, ""),
        on: { click: () => run(choice) },
      }),
    ),
  );
  /** @param {string} chosen */
  const mark = (chosen) => press(node, "choice", chosen);
  return { node, mark };
}

/** @param {string} id @param {string} label @param {HTMLElement} input @param {...Node} more */
export const fieldOf = (id, label, input, ...more) =>
  make(
    "div",
    { class: "mv-field" },
    make("label", { htmlFor: id, textContent: label }),
    Object.assign(input, { id }),
    ...more,
  );

/** @param {string} value @param {string} text */
export const optionOf = (value, text) => make("option", { value, textContent: text });
