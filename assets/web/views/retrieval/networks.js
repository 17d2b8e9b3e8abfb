// Which networks have a row in the retrieval view.
import { make } from "../../lib/dom.js";
import { t } from "../../lib/texts.js";

import { titleOf } from "./model.js";

/** @import { Gallery, RetrievalModel } from "./model.js" */

/** @param {RetrievalModel} model @param {(names: string[]) => void} choose */
export function networksOf(model, choose) {
  const boxes = make("div", { class: "mv-find-networks", aria: { role: "group", label: t("look.networks") } });
  const none = make("p", { class: "mv-small" });
  /** @type {Gallery | null} whose networks the boxes are of */
  let filled = null;
  const panel = make(
    "details",
    { class: "mv-panel", data: { part: "networks" } },
    make("summary", { textContent: t("find.networks") }),
    none,
    boxes,
  );

  /** @param {string} name @param {boolean} on */
  function tick(name, on) {
    const shown = model.shown.map((its) => its.name);
    choose(model.gallery.networks.map((its) => its.name).filter((one) => (one === name ? on : shown.includes(one))));
  }

  function draw() {
    if (filled !== model.gallery) {
      filled = model.gallery;
      boxes.replaceChildren(
        ...model.gallery.networks.map((its) =>
          make(
            "label",
            { class: "mv-check" },
            make("input", {
              type: "checkbox",
              name: its.name,
              on: { change: ({ target }) => tick(its.name, target.checked) },
            }),
            titleOf(its),
          ),
        ),
      );
    }
    const shown = model.shown.map(({ name }) => name);
    for (const box of boxes.querySelectorAll("input")) {
      box.checked = shown.includes(box.name);
      box.disabled = box.checked && shown.length === 1; // one row is always there
    }
    none.textContent = model.gallery.networks.some(({ retrieval }) => retrieval)
      ? t("find.networks_why")
      : t("find.networks_none");
  }
  return { panel, draw };
}
