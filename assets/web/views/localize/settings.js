// The drawer of everything that a first look does not need: kind of map, layer, display, networks, true boxes.
import { make } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { networkName, t } from "../../lib/texts.js";
import { chipsOf, fieldOf, optionOf } from "./controls.js";
import { LAYOUTS, SCALES } from "./model.js";

/** @import { LookModel } from "./model.js" */

const ORDERS = ["given", "iou", "probability"];

/**
 * @param {LookModel} model
 * @param {{ display: (change: Partial<LookModel["show"]>) => void, sort: (order: string) => void }} on
 * @param {Node[]} boxes buttons that draw true boxes
 * @param {...Node} more what else stands in the drawer
 */
export function settingsDrawer(model, { display, sort }, boxes, ...more) {
  const kind = make("select", { on: { change: ({ target }) => mixviz.set({ kind: target.value }) } });
  const layer = make("select", { on: { change: ({ target }) => mixviz.set({ layer: target.value }) } });
  const kindText = make("p", { class: "mv-small" });
  const scaleText = make("p", { class: "mv-small" });
  const sees = make("p", { class: "mv-small" });
  const scale = chipsOf("scale", SCALES, (choice) => display({ scale: choice }));
  const layout = chipsOf("layout", LAYOUTS, (choice) => display({ layout: choice }));
  const colours = make("select", { on: { change: ({ target }) => display({ colours: target.value }) } });
  const to = make("select", { on: { change: ({ target }) => display({ to: target.value }) } });
  const order = make(
    "select",
    { on: { change: ({ target }) => sort(target.value) } },
    ...ORDERS.map((name) => optionOf(name, t(`look.order.${name}`))),
  );
  /** @param {"strength" | "threshold"} key @param {number} max */
  const slider = (key, max) => {
    const input = make("input", {
      type: "range",
      min: 0,
      max,
      step: 0.01,
      on: { input: ({ target }) => display({ [key]: Number(target.value) }) },
    });
    const output = make("output", { htmlFor: `mv-look-${key}` });
    return { input, output, field: fieldOf(`mv-look-${key}`, t(`look.${key}`), input, output) };
  };
  const strength = slider("strength", 1);
  const threshold = slider("threshold", 0.99);
  /** @param {string} key @param {Node} part */
  const group = (key, part) => make("div", { class: "mv-field" }, make("span", { textContent: t(key) }), part);
  const fields = make(
    "div",
    { class: "mv-fields" },
    threshold.field,
    strength.field,
    group("look.scale", scale.node),
    group("look.layout", layout.node),
    fieldOf("mv-look-to", t("look.to"), to),
    fieldOf("mv-look-order", t("look.order"), order),
    fieldOf("mv-look-kind", t("look.kind"), kind),
    fieldOf("mv-look-layer", t("look.layer"), layer),
    fieldOf("mv-look-colours", t("look.colours"), colours),
  );
  const node = make(
    "details",
    { class: "mv-look-settings" },
    make("summary", { textContent: t("look.settings") }),
    make(
      "div",
      { class: "mv-panel" },
      fields,
      scaleText,
      kindText,
      sees,
      group("look.true_boxes", make("div", { class: "mv-chips" }, ...boxes)),
      ...more,
    ),
  );

  /** Fills the menus with what the server offers. @param {string[]} names of the colours */
  function learn(names) {
    const { kinds, layers, networks } = model.about;
    kind.replaceChildren(...kinds.map((one) => optionOf(one.name, one.title)));
    layer.replaceChildren(
      optionOf("", t("look.layer.fine")),
      optionOf("card", t("look.layer.card")),
      ...layers.map(({ earlier, size }) => {
        const key = earlier === "0" ? "look.layer.last" : "look.layer.earlier";
        return optionOf(earlier, t(key, { size: size.join("×"), earlier }));
      }),
    );
    colours.replaceChildren(...names.map((name) => optionOf(name, name)));
    to.replaceChildren(
      optionOf("", t("look.to.none")),
      ...Object.entries(networks).map(([name, one]) => optionOf(name, networkName(name, one.title))),
    );
  }

  /** @param {string} why about the colours */
  function update(why) {
    const { show, about } = model;
    scale.mark(show.scale);
    layout.mark(show.layout);
    [strength.input.value, threshold.input.value] = [String(show.strength), String(show.threshold)];
    [strength.output.textContent, threshold.output.textContent] = [percent(show.strength), show.threshold.toFixed(2)];
    [colours.value, to.value] = [show.colours, show.to];
    [kind.value, layer.value] = [mixviz.state.kind, mixviz.state.layer];
    scaleText.textContent = why;
    const slow = about.kinds.find((one) => one.name === kind.value)?.slow;
    kindText.textContent = `${t(`kind.${kind.value}`)} ${slow ? t("look.slow_kind") : ""}`;
    const sides = [...new Set(model.shown.map((name) => about.networks[name].side))].map((side) => `${side}×${side}`);
    sees.textContent = t("look.sees", { side: sides.join(" / "), count: about.classes.length.toLocaleString("en") });
  }
  return { node, fields, learn, update };
}
