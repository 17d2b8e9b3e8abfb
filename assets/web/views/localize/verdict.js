// Which network's box fits best, against the middle of the picture; over all thresholds; and over many pictures.
import { make } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { networkName, t } from "../../lib/texts.js";
import { plotOf } from "../../lib/plot.js";
import { chipsOf } from "./controls.js";
import { CENTRE } from "./model.js";

/** @import { Series } from "../../types.js" */
/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model @param {{ draw: (slot: number) => void, changed: () => void }} on */
export function verdictOf(model, on) {
  const told = make("p", { class: "mv-told", aria: { live: "polite" } });
  const draw = make("button", { class: "mv-button", on: { click: () => on.draw(model.slot) } });
  const measured = make("p", { class: "mv-told" });
  const curve = plotOf({ name: "iou-over-threshold", dims: true });
  const slots = chipsOf("slot", ["0", "1"], (choice) => {
    model.show.slot = Number(choice);
    on.changed();
  });
  const choice = make("div", { class: "mv-field" }, make("span", { textContent: t("look.slot") }), slots.node);

  /** @param {number} slot */
  function tell(slot) {
    const { show } = model;
    const networks = model.networks.filter((row) => !row.looks[slot].lacks);
    const name = model.objectOf(slot);
    const truth = model.truth(slot);
    draw.hidden = !!truth;
    draw.textContent = t("look.draw_box", { name });
    if (!truth) {
      told.textContent = t("look.no_box", { name });
      return;
    }
    told.textContent = "";
    if (!networks.length) return;
    const centre = model.rows.get(CENTRE);
    const middle = (centre && model.fit(centre, slot)) ?? 0;
    const fits = networks.map((row) => model.fit(row, slot) ?? 0);
    const best = fits.indexOf(Math.max(...fits));
    const verdict = t("look.verdict", {
      title: model.titleOf(networks[best]),
      name,
      threshold: show.threshold.toFixed(2),
      iou: fits[best].toFixed(2),
      centre: middle.toFixed(2),
      below: fits.filter((fit) => fit < middle).length,
      count: fits.length,
    });
    const [top, left, bottom, right] = truth;
    const why = middle < fits[best] ? "" : t("look.middle_why", { share: percent((bottom - top) * (right - left)) });
    told.textContent = `${verdict} ${why}`.trim();
  }

  /** The cards' numbers of a family in sight, of all its networks, shown or not: others saw other pictures. */
  function compare() {
    const { networks, families } = model.about;
    const shown = families.filter((family) => family.names.some((name) => model.shown.includes(name)));
    const scored = shown.map((family) => family.names.filter((name) => model.score(name) !== undefined));
    const names = scored.find((some) => some.length > 1) ?? [];
    measured.hidden = names.length < 2;
    if (measured.hidden) return;
    /** @param {string} name */
    const score = (name) => /** @type {number} */ (model.score(name));
    names.sort((a, b) => score(b) - score(a));
    const [best, last] = [names[0], names[names.length - 1]];
    const { images, centre } = networks[best].measured;
    /** The standard error of a share of the pictures, in points. @param {string} name */
    const error = (name) => Math.sqrt((score(name) * (100 - score(name))) / images);
    const beyond = score(best) - score(last) > 2 * Math.hypot(error(best), error(last));
    const found = t("look.measured", {
      images: images.toLocaleString("en"),
      best: networkName(best, networks[best].plain),
      high: score(best).toFixed(1),
      last: networkName(last, networks[last].plain),
      low: score(last).toFixed(1),
      centre: centre.toFixed(1),
      error: error(best).toFixed(1),
    });
    measured.textContent = `${found} ${t(beyond ? "look.beyond" : "look.within")}`;
  }

  /** @param {number} slot */
  function plot(slot) {
    const boxed = model.truth(slot) ? model.fresh.filter((row) => !row.looks[slot].lacks) : [];
    const order = [...model.value.all, CENTRE];
    boxed.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    /** @type {Series[]} */
    const series = boxed.map((row) => ({
      key: row.name,
      title: model.titleOf(row),
      index: order.indexOf(row.name), // the same colour, whichever others are in sight
      ...(row.name === CENTRE ? { colour: "var(--body-text-color)", dash: "2 4" } : {}),
      points: row.looks[slot].boxes.map((_, k, { length }) => {
        return { x: k / length, y: model.fit(row, slot, k / length) ?? 0 };
      }),
    }));
    curve.node.hidden = !boxed.length;
    curve.update({
      title: t("look.curve", { name: model.objectOf(slot) }),
      x: { label: "τ", low: 0, high: 1 },
      y: { label: "IoU", low: 0, high: 1 },
      series,
      at: model.show.threshold,
      note: t("look.curve_why"),
    });
  }

  function update() {
    const { slot } = model;
    choice.hidden = model.slots.length < 2 || !model.truth(slot);
    slots.mark(String(slot));
    [...slots.node.children].forEach((chip, i) => {
      chip.textContent = model.nameOf(i);
      chip.toggleAttribute("disabled", !model.truth(i));
    });
    tell(slot);
    compare();
    plot(slot);
  }
  const node = make("div", { class: "mv-look-verdict" }, told, draw);
  return { node, more: make("div", {}, choice, curve.node, measured), update, light: curve.light };
}
