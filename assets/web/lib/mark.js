// A dialog in which a visitor draws the box of an object in a picture of their own.
import { make, place } from "./dom.js";
import { grabOf } from "./grab.js";
import { mixviz } from "./page.js";
import { t } from "./texts.js";

/** @import { Edges } from "../types.js" */

const BEGIN = [0.2, 0.2, 0.8, 0.8];

export function markDialog() {
  /** @type {"a" | "b"} */
  let letter = "a";
  /** @type {Edges} */
  let box = BEGIN;
  const heading = make("h2", { tabIndex: -1 });
  const tile = make("div", { class: "mv-tile" });
  const grab = grabOf(tile, t("mark.box"), (edges) => (box = edges));
  grab.node.hidden = false;
  const marks = () => ({ ...mixviz.state.marks });
  const path = () => mixviz.state[letter] ?? "";
  /** @param {Record<string, Edges>} next */
  const take = (next) => {
    node.close();
    mixviz.set({ marks: next });
  };
  const use = make("button", {
    class: "mv-button mv-primary",
    textContent: t("mark.use"),
    on: { click: () => take({ ...marks(), [path()]: box }) },
  });
  const remove = make("button", {
    class: "mv-button",
    textContent: t("mark.remove"),
    on: {
      click: () => {
        const { [path()]: _, ...rest } = marks();
        take(rest);
      },
    },
  });
  const close = make("button", { class: "mv-button", textContent: t("close"), on: { click: () => node.close() } });
  /** @type {HTMLDialogElement} */
  const node = make(
    "dialog",
    { class: "mv-part mv-picker mv-mark", aria: { label: t("mark.box") } },
    make("div", { class: "mv-picker-head" }, heading, close),
    make(
      "div",
      { class: "mv-picker-body" },
      make("p", { class: "mv-small", textContent: t("mark.why") }),
      tile,
      make("div", { class: "mv-chips" }, use, remove),
    ),
  );

  node.addEventListener("close", () => grab.node.remove()); // the page has one box to drag at a time

  /**
   * Opens the dialog for A or B, whose picture is a tile of a sheet.
   *
   * @param {"a" | "b"} which
   * @param {{ name: string, url: string, index: number, count: number }} picture
   */
  function open(which, { name, url, index, count }) {
    letter = which;
    const own = marks()[path()];
    box = own ?? BEGIN;
    remove.hidden = !own;
    heading.textContent = t("mark.heading", { name });
    place(tile, url, index, count);
    grab.set(box);
    tile.append(grab.node);
    node.showModal();
    grab.node.focus();
  }
  return { node, open };
}
