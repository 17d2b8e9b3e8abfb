// Downloads: the figure, the numbers and the boxes of the networks in sight, and the command for all that.
import { csvOf } from "../../lib/csv.js";
import { hand, make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";
import { SLOTS } from "./model.js";

/** @import { LookModel } from "./model.js" */

const HEAD = ["network", "class", "probability", "threshold", "top", "left", "bottom", "right", "iou"];

/** @param {LookModel} model */
export function takePanel(model) {
  const command = make("code");
  /** @param {string} kind @param {() => void} run */
  const button = (kind, run) =>
    make("button", { class: "mv-button", textContent: t(`look.take.${kind}`), on: { click: run } });
  /** The networks in sight that know the classes. */
  const names = () =>
    model.networks.filter((row) => model.slots.every((slot) => !row.looks?.[slot].lacks)).map(({ name }) => name);

  function table() {
    const lines = model.fresh.flatMap((row) =>
      SLOTS.map((slot) => [
        row.name,
        row.looks[slot].class ?? model.value.classes[slot].name,
        row.looks[slot].probability ?? "",
        model.show.threshold,
        ...(model.box(row, slot) ?? ["", "", "", ""]),
        model.fit(row, slot) ?? "",
      ]),
    );
    hand(csvOf([HEAD, ...lines]), "mixviz-looks.csv");
  }

  const node = make(
    "details",
    { class: "mv-panel" },
    make("summary", { textContent: t("take") }),
    make(
      "div",
      { class: "mv-chips" },
      ...["png", "json"].map((kind) => button(kind, () => {
        mixviz.take(kind, { display: { ...model.show }, only: names().length ? names() : null });
      })),
      button("csv", table),
    ),
    make("pre", { tabIndex: 0, aria: { role: "region", label: t("look.command") } }, command),
  );
  function update() {
    const ours = names().filter((name) => !name.startsWith("own_"));
    command.textContent = model.value.command.replace("{networks}", ours.join(",") || "all");
  }
  return { node, update };
}
