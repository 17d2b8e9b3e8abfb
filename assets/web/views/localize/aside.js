// Networks that know no class of the picture: they stand aside, named in a line, until somebody asks for their maps.
import { make } from "../../lib/dom.js";
import { language, t } from "../../lib/texts.js";

/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model @param {() => void} changed */
export function asideLine(model, changed) {
  const told = make("span");
  const button = make("button", {
    class: "mv-button",
    on: {
      click: () => {
        model.anyway = !model.anyway;
        changed();
      },
    },
  });
  const node = make("p", { class: "mv-look-aside" }, told, button);

  function update() {
    const { key } = model.value;
    const without = [...model.rows.values()].filter(
      (row) => row.key === key && model.inSight(row.name) && model.slots.every((slot) => row.looks?.[slot].lacks),
    );
    node.hidden = !without.length;
    const list = new Intl.ListFormat(language());
    told.textContent = t(without.length > 1 ? "look.lack" : "look.lacks", {
      networks: list.format(without.map((row) => model.titleOf(row))),
      names: list.format(model.slots.map((slot) => `“${model.objectOf(slot)}”`)),
    });
    button.textContent = t(model.anyway ? "look.aside" : "look.anyway");
  }
  return { node, update };
}
