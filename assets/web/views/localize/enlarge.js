// A map, large: with its numbers, and a wipe to the map of the other class or of another network.
import { make } from "../../lib/dom.js";
import { t } from "../../lib/texts.js";
import { answersOf, measuredOf } from "./cards.js";
import { fieldOf, optionOf } from "./controls.js";
import { legendOf } from "./legend.js";
import { altOf, numbersOf, tileOf } from "./tile.js";

/** @import { DrawnRow } from "../../types.js" */
/** @import { LookModel } from "./model.js" */
/** @import { painterOf } from "./paint.js" */

const CLASS = ""; // the choice of the other class; every other choice is a network's name

/** @param {LookModel} model @param {ReturnType<typeof painterOf>} painter */
export function enlarger(model, painter) {
  let [name, slot] = ["", 0];
  const tiles = [0, 1].map(() => tileOf("div", model, painter));
  for (const { node: tile } of tiles) tile.setAttribute("role", "img");
  const line = make("i", { class: "mv-wipe-line" });
  const heading = make("h2", { tabIndex: -1 });
  const captions = [make("span"), make("span")];
  const others = make("select", { on: { change: () => update() } });
  const wipe = make("input", { type: "range", min: 0, max: 100, value: 100, on: { input: () => cut() } });
  const legend = legendOf(model);
  const says = make("div", { class: "mv-guesses" });
  const fits = make("dl", { class: "mv-fits" });
  const close = make("button", { class: "mv-button", textContent: t("close") });
  const wipeField = fieldOf("mv-look-wipe", t("look.wipe"), wipe);
  const node = make(
    "dialog",
    { class: "mv-look-dialog", aria: { labelledby: "mv-look-large" } },
    make("div", { class: "mv-look-dialog-head" }, Object.assign(heading, { id: "mv-look-large" }), close),
    make(
      "div",
      { class: "mv-look-dialog-body" },
      make(
        "div",
        {},
        make("div", { class: "mv-wipe" }, ...tiles.map((tile) => tile.node), line),
        make("div", { class: "mv-wipe-names" }, ...captions),
        wipeField,
      ),
      make("div", {}, fieldOf("mv-look-other", t("look.wipe_with"), others), says, fits, legend.node),
    ),
  );
  close.addEventListener("click", () => node.close());
  node.addEventListener("click", ({ target }) => target === node && node.close()); // beside it

  /**
   * The map under the wipe: of the other class, or of the chosen network.
   *
   * @returns {{ row: DrawnRow, slot: number }}
   */
  function other() {
    const row = /** @type {DrawnRow} */ (model.rows.get(others.value || name));
    return { row, slot: others.value === CLASS ? 1 - slot : slot };
  }

  function cut() {
    const at = Number(wipe.value);
    tiles[1].node.style.clipPath = `inset(0 0 0 ${at}%)`;
    line.style.left = `${at}%`;
    line.hidden = at === 0 || at === 100;
  }

  function offer() {
    const before = others.value;
    const row = /** @type {DrawnRow} */ (model.rows.get(name));
    const networks = model.networks.filter((one) => one.name !== name);
    others.replaceChildren(
      optionOf(CLASS, t("look.wipe_class", { name: model.nameOf(1 - slot, row) })),
      make(
        "optgroup",
        { label: t("look.wipe_networks") },
        ...networks.map((one) => optionOf(one.name, model.titleOf(one))),
      ),
    );
    others.value = networks.some((one) => one.name === before) ? before : CLASS;
  }

  /** Follows the maps while it is open. */
  function update() {
    if (!node.open) return;
    const row = model.fresh.find((one) => one.name === name);
    if (!row) return;
    offer();
    const second = other();
    heading.textContent = `${model.titleOf(row)}: ${model.nameOf(slot, row)}`;
    [{ row, slot }, second].forEach((one, i) => {
      tiles[i].paint(one.row, one.slot);
      tiles[i].frame(one.row, one.slot);
      tiles[i].node.setAttribute("aria-label", altOf(model, one.row, one.slot));
      captions[i].replaceChildren(
        make("b", { textContent: i && others.value ? model.titleOf(one.row) : model.nameOf(one.slot, one.row) }),
        ` ${numbersOf(model, one.row, one.slot)}`,
      );
    });
    says.replaceChildren(...answersOf(model, row));
    fits.replaceChildren(...measuredOf(model, name));
    legend.update(painter.key(), [slot, second.slot]);
    cut();
  }

  /** @param {string} network @param {number} which */
  function open(network, which) {
    [name, slot] = [network, which];
    wipe.value = "100";
    node.showModal();
    update();
    heading.focus();
  }
  return { node, open, update };
}
