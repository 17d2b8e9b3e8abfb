// A dialog in which a visitor marks the object in a picture of their own: a box, a painted mask, an annotation file.
import { markFile } from "./annotations.js";
import { brushOf } from "./brush.js";
import { make, place, press } from "./dom.js";
import { grabOf } from "./grab.js";
import { percent } from "./numbers.js";
import { mixviz } from "./page.js";
import { SIDE, maskOf, runsOf } from "./runs.js";
import { t } from "./texts.js";

/** @import { Edges, Mark, Server } from "../types.js" */

const BEGIN = [0.2, 0.2, 0.8, 0.8];
const TOOLS = ["box", "brush", "erase"];
const COLOURS = { a: "#60a5fa", b: "#fbbf24" }; // of the outlines

/** @param {Server} server of the view */
export function markDialog(server) {
  /** @type {"a" | "b"} */
  let letter = "a";
  /** @type {Edges} */
  let box = BEGIN;
  let tool = "box";
  const heading = make("h2", { tabIndex: -1 });
  const tile = make("div", { class: "mv-tile" });
  const grab = grabOf(tile, t("mark.box"), (edges) => (box = edges));
  const brush = brushOf(t("mark.paint"), () => update());
  const marks = () => ({ ...mixviz.state.marks });
  const path = () => mixviz.state[letter] ?? "";
  /** @param {string} key @param {() => unknown} run */
  const button = (key, run) => make("button", { class: "mv-button", textContent: t(key), on: { click: run } });
  const tools = make(
    "div",
    { class: "mv-chips", aria: { role: "group", label: t("mark.tools") } },
    ...TOOLS.map((name) =>
      make("button", {
        class: "mv-chip",
        data: { tool: name },
        textContent: t(`mark.tool_${name}`),
        on: { click: () => choose(name) },
      }),
    ),
  );
  /** @type {HTMLInputElement} */
  const size = make("input", {
    type: "range",
    id: "mv-mark-size",
    min: 4,
    max: 96,
    value: brush.brush.size,
    on: { input: () => (brush.brush.size = Number(size.value)) },
  });
  const sizing = make(
    "span",
    { class: "mv-mark-size" },
    make("label", { htmlFor: size.id, textContent: t("mark.size") }),
    size,
  );
  const keys = make("p", { class: "mv-small mv-mark-keys", textContent: t("mark.keys") });
  const told = make("p", { class: "mv-small", aria: { role: "status" } });
  const file = markFile(server, path, (masks) => {
    choose("brush");
    brush.set(maskOf(masks));
  });
  const use = button("mark.use", () => {
    take({ ...marks(), [path()]: tool === "box" ? box : { runs: runsOf(brush.mask()) } });
  });
  use.classList.add("mv-primary");
  const undo = button("mark.undo", () => brush.undo());
  const clear = button("mark.clear", () => brush.set([]));
  const remove = button("mark.remove", () => {
    const { [path()]: _, ...rest } = marks();
    take(rest);
  });
  const close = button("close", () => node.close());
  /** @type {HTMLDialogElement} */
  const node = make(
    "dialog",
    { class: "mv-part mv-picker mv-mark", aria: { label: t("mark.box") } },
    make("div", { class: "mv-picker-head" }, heading, close),
    make(
      "div",
      { class: "mv-picker-body" },
      make("p", { class: "mv-small", textContent: t("mark.why") }),
      make("div", { class: "mv-chips mv-mark-tools" }, tools, sizing),
      tile,
      keys,
      told,
      make("div", { class: "mv-chips" }, use, undo, clear, remove),
      file.node,
    ),
  );

  /** @param {Record<string, Mark>} next */
  function take(next) {
    node.close();
    mixviz.set({ marks: next });
  }

  /** @param {string} name */
  function choose(name) {
    tool = name;
    brush.brush.erases = tool === "erase";
    press(tools, "tool", tool);
    update();
  }

  /** What the tool shows, and what can be done with what is marked. */
  function update() {
    const boxed = tool === "box";
    const share = boxed ? 1 : brush.mask().reduce((sum, pixel) => sum + pixel, 0) / SIDE ** 2;
    grab.node.hidden = !boxed;
    for (const part of [brush.node, sizing, keys, told, undo, clear]) part.hidden = boxed;
    use.textContent = t(boxed ? "mark.use" : "mark.use_mask");
    use.disabled = !share;
    undo.disabled = !brush.undoable();
    clear.disabled = !share;
    told.textContent = boxed ? "" : share ? t("mark.share", { share: percent(share) }) : t("mark.empty");
  }

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
    const mask = own && "runs" in own ? own.runs : null;
    box = Array.isArray(own) ? own : BEGIN;
    remove.hidden = !own;
    heading.textContent = t("mark.heading", { name });
    node.setAttribute("aria-label", heading.textContent);
    place(tile, url, index, count);
    grab.set(box);
    tile.append(grab.node, brush.node);
    brush.begin(mask ? maskOf([mask]) : [], COLOURS[letter]);
    file.begin();
    choose(mask ? "brush" : "box");
    node.showModal();
    (mask ? brush.canvas : grab.node).focus();
  }
  return { node, open };
}
