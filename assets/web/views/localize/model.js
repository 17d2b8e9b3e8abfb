// What the parts of the view share: the answers, how they are shown, and what follows from both.
import { boxAt, overlap } from "../../lib/boxes.js";
import { mixviz } from "../../lib/page.js";
import { className, networkName, t } from "../../lib/texts.js";

/** @import { About, DrawnRow, Edges, LookAnswer, LookRow } from "../../types.js" */

export const CENTRE = "centre";
export const SLOTS = [0, 1]; // the classes of A and B
export const PLAIN = { scale: "image", colours: "inferno", strength: 0.6, threshold: 0.2, to: "", layout: "grid" };
export const SCALES = ["image", "shared", "raw"];
export const LAYOUTS = ["grid", "rows"];

/** How maps are shown, as the address says; what it says wrong counts as nothing. */
function shownInAddress() {
  const query = new URLSearchParams(location.search);
  const show = { ...PLAIN, slot: 0 };
  for (const key of /** @type {const} */ (["scale", "colours", "to", "layout"]))
    show[key] = query.get(key) ?? show[key];
  for (const key of /** @type {const} */ (["threshold", "strength"])) {
    const wanted = Number(query.get(key) ?? NaN);
    if (wanted >= 0 && wanted <= 1) show[key] = Math.min(wanted, 0.99);
  }
  if (!SCALES.includes(show.scale)) show.scale = PLAIN.scale;
  if (!LAYOUTS.includes(show.layout)) show.layout = PLAIN.layout;
  return show;
}

export class LookModel {
  show = shownInAddress();
  /** @type {About} */
  about = { networks: {}, families: [], classes: [], kinds: [], layers: [], colours: {} };
  /** @type {LookAnswer | null} */
  answer = null;
  /** @type {Map<string, DrawnRow>} rows of earlier requests stay, dimmed, until their network answers again */
  rows = new Map();
  /** @type {string[]} the networks in sight, in order */
  shown = [];
  /** Networks without a class of the picture are shown, with the maps of their own predictions. */
  anyway = false;
  /** @type {Record<string, Edges>} the visitor's own boxes, by picture and class */
  drawn = {};

  /** The latest answer: nothing is drawn before there is one. */
  get value() {
    return /** @type {LookAnswer} */ (this.answer);
  }

  /** The classes whose maps are in sight: that of the picture, or both of the mixture. */
  get slots() {
    return { a: [0], b: [1] }[this.value.subject.of] ?? SLOTS;
  }

  /** The class that boxes and curve are about: the chosen one, if its true box is known. */
  get slot() {
    const { slots } = this;
    const chosen = slots.includes(this.show.slot) ? this.show.slot : slots[0];
    return this.truth(chosen) ? chosen : (slots.find((slot) => this.truth(slot)) ?? chosen);
  }

  /** Rows in sight that answer the present request, the baseline of the centre included. */
  get fresh() {
    const { key } = this.value;
    return [...this.rows.values()].filter(
      (row) => row.looks && row.key === key && this.inSight(row.name) && !this.setAside(row),
    );
  }

  /** Has the network no class of the picture, and did nobody ask for it all the same? @param {LookRow} row */
  setAside(row) {
    return !this.anyway && this.slots.every((slot) => row.looks?.[slot].lacks);
  }

  /** The networks among them. */
  get networks() {
    return this.fresh.filter((row) => row.name !== CENTRE);
  }

  /**
   * What stands behind a network's percentages if they do not compare with the others' in sight.
   *
   * @param {LookRow} row
   */
  mark(row) {
    return row.bce && this.networks.some(({ bce }) => !bce) ? "*" : "";
  }

  /** @param {string} name */
  inSight(name) {
    return name === CENTRE || this.shown.includes(name);
  }

  /** Are all networks in sight? The centre is a row only beside all of them. */
  get whole() {
    return this.value.all.every((name) => this.shown.includes(name));
  }

  /** The strategy; with the data set where another network in sight has it, too. @param {LookRow} row */
  titleOf({ name, title }) {
    if (name === CENTRE) return t("look.centre");
    const { networks } = this.about;
    const plain = networks[name]?.plain ?? title;
    const twice = this.shown.some((other) => other !== name && networks[other]?.plain === plain);
    return networkName(name, twice ? title : plain);
  }

  /** The class of a slot, in words. @param {number} slot @param {LookRow} [row] */
  nameOf(slot, row) {
    const name = row?.looks?.[slot].class ?? this.value.classes[slot].name;
    return name === "*" ? t("look.own") : className(name);
  }

  /** What the true box of a slot surrounds: where no network knows it, as the visitor calls it. @param {number} slot */
  objectOf(slot) {
    const { label } = this.value.classes[slot];
    return label && !label.classes.length && !mixviz.state.classes[slot] ? label.text : this.nameOf(slot);
  }

  /** @param {number} slot */
  boxKey(slot) {
    return `${this.value.place}|${slot}`;
  }

  /** @param {number} slot */
  truth(slot) {
    return this.drawn[this.boxKey(slot)] ?? this.value.subject.boxes[slot];
  }

  /** @param {LookRow} row @param {number} slot @param {number} [at] */
  box(row, slot, at = this.show.threshold) {
    return boxAt(row.looks[slot], at, row.side);
  }

  /**
   * The IoU of a map's box with the true one; null where that is unknown.
   *
   * @param {LookRow} row
   * @param {number} slot
   * @param {number} [at] threshold
   */
  fit(row, slot, at = this.show.threshold) {
    const look = row.looks?.[slot];
    return look && !look.lacks && this.truth(slot) ? overlap(this.box(row, slot, at), this.truth(slot)) : null;
  }

  /** Were the cards' numbers measured like these maps? They are of Grad-CAM at two layers. */
  get standard() {
    return mixviz.state.kind === "grad_cam" && ["", "card", "0"].includes(mixviz.state.layer);
  }

  /** MaxBoxAccV2 of a network, from its card. @param {string} name @returns {number | undefined} */
  score(name) {
    const measured = this.standard ? this.about.networks[name]?.measured : null;
    return measured?.[mixviz.state.layer === "0" ? "last" : "layer"];
  }
}
