// Faithfulness of the maps in sight. It takes about a second per network, so it is measured on request, one by one.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Server } from "../../types.js" */
/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model @param {Server} server */
export function faithPanel(model, server) {
  /** @type {Map<string, Record<string, number | null>[]>} */
  const found = new Map();
  let halted = false;
  const note = make("span", { class: "mv-small", aria: { role: "status" } });
  const start = make("button", { class: "mv-button", textContent: t("look.measure"), on: { click: measure } });
  const stop = make("button", {
    class: "mv-button",
    hidden: true,
    textContent: t("look.stop"),
    on: { click: () => (halted = true) },
  });
  const node = make(
    "details",
    {},
    make("summary", { textContent: t("look.faith") }),
    make("p", { class: "mv-small", textContent: t("look.faith_why") }),
    make("div", { class: "mv-chips" }, start, stop, note),
  );

  async function measure() {
    const { key } = model.value;
    const { state } = mixviz;
    const { networks } = model;
    start.disabled = true;
    stop.hidden = halted = false;
    for (const [i, row] of networks.entries()) {
      if (halted || model.value.key !== key) break;
      const answer = await mixviz.question("trust", { ...state, only: [row.name] }, server);
      if (answer.message) {
        note.textContent = answer.message;
        break;
      }
      found.set(`${key}|${row.name}`, answer.faith);
      note.textContent = t("look.waits", { done: i + 1, all: networks.length });
      update();
    }
    start.disabled = false;
    stop.hidden = true;
  }

  function update() {
    for (const row of model.rows.values()) {
      const numbers = found.get(`${model.value.key}|${row.name}`);
      row.parts.faith.hidden = !numbers;
      if (numbers) row.parts.faith.replaceChildren(table(numbers.filter((_, slot) => model.slots.includes(slot))));
    }
  }
  return { node, update };
}

/** @param {Record<string, number | null>[]} numbers of each class in sight */
const table = (numbers) =>
  make(
    "table",
    { class: "mv-faithful" },
    make(
      "tbody",
      {},
      ...["deletion", "insertion", "average_drop", "road"].map((name) =>
        make(
          "tr",
          {},
          make("th", { scope: "row", textContent: t(`look.faith.${name}`) }),
          ...numbers.map(({ [name]: value }) =>
            make("td", { textContent: value === null ? "" : value.toFixed(name === "average_drop" ? 0 : 2) }),
          ),
        ),
      ),
    ),
  );
