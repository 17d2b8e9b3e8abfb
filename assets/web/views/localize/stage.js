// The picture that the networks look at, with its true boxes, and the legend of the maps.
import { make, outline } from "../../lib/dom.js";
import { grabOf } from "../../lib/grab.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";
import { legendOf } from "./legend.js";
import { SLOTS } from "./model.js";

/** @import { Edges } from "../../types.js" */
/** @import { LookModel } from "./model.js" */

const MIDDLE = /** @type {Edges} */ ([0.25, 0.25, 0.75, 0.75]);

/** @param {LookModel} model @param {() => void} changed */
export function stageOf(model, changed) {
  const boxes = SLOTS.map((slot) => make("div", { class: `mv-object mv-object-${"ab"[slot]}` }));
  const tile = make("div", { class: "mv-tile mv-look-stage", aria: { role: "img" } }, ...boxes);
  const stage = make("div", { class: "mv-stage" }, tile);
  const grabs = SLOTS.map((slot) =>
    grabOf(stage, t("look.draw_at", { letter: "AB"[slot] }), (box) => {
      model.drawn[model.boxKey(slot)] = box;
      changed();
    }),
  );
  stage.append(...grabs.map(({ node }) => node));
  const buttons = SLOTS.map((slot) =>
    make("button", { class: "mv-chip", aria: { pressed: "false" }, on: { click: () => draw(slot) } }),
  );
  const legend = legendOf(model);
  const heading = make("h2");
  const inside = make("p", { class: "mv-small", textContent: t("look.inside") });
  const node = make(
    "section",
    { class: "mv-look mv-look-input" },
    heading,
    make("div", { class: "mv-guesses" }),
    make(
      "div",
      { class: "mv-look-tiles" },
      stage,
      legend.node,
      inside,
    ),
    make("div", { class: "mv-look-numbers" }),
  );
  /** Draws or moves the true box of a class, or ends it. @param {number} slot */
  function draw(slot) {
    const on = grabs[slot].node.hidden;
    if (on) model.drawn[model.boxKey(slot)] ??= model.truth(slot) ?? MIDDLE;
    grabs.forEach(({ node: grab, set }, i) => {
      grab.hidden = !(i === slot && on);
      buttons[i].setAttribute("aria-pressed", String(!grab.hidden));
      if (!grab.hidden) set(model.truth(slot) ?? MIDDLE);
    });
    if (!on) return;
    model.show.slot = slot;
    grabs[slot].node.focus();
    changed();
  }

  /** @param {string} url */
  function picture(url) {
    tile.style.backgroundImage = `url("${url}")`;
  }

  /** Another picture: a box that was being drawn belongs to the one before. */
  function leave() {
    grabs.forEach(({ node: grab }, i) => {
      grab.hidden = true;
      buttons[i].setAttribute("aria-pressed", "false");
    });
  }

  /** @param {{ table: Uint8Array, low: string, high: string }} key */
  function update(key) {
    const { subject } = model.value;
    const { name_a: a, name_b: b } = mixviz.state;
    const name = { a, b }[subject.of] ?? t("look.mixture");
    heading.textContent = name;
    tile.setAttribute("aria-label", name);
    inside.hidden = !subject.inside;
    for (const slot of SLOTS) {
      const truth = model.slots.includes(slot) ? model.truth(slot) : null;
      outline(boxes[slot], truth);
      buttons[slot].hidden = !model.slots.includes(slot);
      buttons[slot].textContent = t(truth ? "look.move_box" : "look.draw_box", { name: model.objectOf(slot) });
    }
    legend.update(key, model.slots);
  }
  return { node, buttons, draw, picture, leave, update };
}
