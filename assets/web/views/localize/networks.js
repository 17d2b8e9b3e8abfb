// Which networks are in sight: the reference and beside it those of the family that knows the classes, all, or those
// that one chooses.
import { listed } from "../../lib/address.js";
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";
import { familyGroups } from "./families.js";

/** @import { LookModel } from "./model.js" */

const NARROW = matchMedia("(max-width: 767px)");
const KEY = "networks"; // of the address: names, "all", or "strategies": on a phone, too, those that suit the classes
const MOST = 50;
const SIX = 6; // networks to begin with, where there is room

/** @param {LookModel} model @param {() => void} changed */
export function networkChoice(model, changed) {
  let chosen = listed(new URLSearchParams(location.search).get(KEY)).slice(0, MOST);
  let version = -1; // of the latest answer
  /** @type {Set<string>} the networks that have answered it */
  const answered = new Set();
  const more = make("button", { class: "mv-button", on: { click: () => choose(next()) } });
  const groups = familyGroups(model, { choose, tick });
  const automatic = () => !chosen.length || chosen[0] === "strategies";
  /** How many networks one begins with; a phone has room for the reference. */
  const count = () => (NARROW.matches && !chosen.length ? 1 : SIX);
  const own = () => mixviz.state.own.map((_, i) => `own_${i + 1}`);

  /** What the button shows next: on a phone the others of the six, then all, then those of the beginning. */
  function next() {
    if (model.whole) return [];
    return !chosen.length && model.value.begin.names.length > count() ? ["strategies"] : ["all"];
  }

  /** The networks to show; before the server has named them, those to ask for, or null for all. */
  function wanted() {
    const { first } = mixviz.state;
    const { all, begin } = model.answer ?? {};
    if (chosen[0] === "all") return all ?? null;
    const names = new Set(automatic() ? [...(begin?.names.slice(0, count()) ?? []), ...own()] : chosen);
    if (first) names.add(first);
    if (!all) return [...names];
    const found = all.filter((name) => names.has(name));
    return found.length ? found : all.slice(0, count());
  }

  // Ask for the networks in sight alone, and for none a second time. Which suit other classes only the server knows.
  mixviz.asking.localize = () => {
    const { first } = mixviz.state;
    if (automatic() && version !== mixviz.version()) return { begin: count(), ...(first ? { only: [first] } : {}) };
    const names = wanted();
    const left = names?.filter((name) => version !== mixviz.version() || !answered.has(name));
    const only = left?.length ? left : names;
    return only ? { only } : {};
  };

  /** @param {string[]} names */
  function choose(names) {
    chosen = names;
    if (names.length && !names.includes(mixviz.state.first ?? "")) mixviz.state.first = "";
    mixviz.note(KEY, names.join(","));
    update();
    changed();
    if (missing().length) mixviz.fill();
  }

  /** @param {string} name @param {boolean} on */
  function tick(name, on) {
    const names = model.value.all.filter((one) => (one === name ? on : model.shown.includes(one)));
    choose(names.length === model.value.all.length ? ["all"] : names);
  }

  function update() {
    const { all, begin } = model.value;
    model.shown = wanted() ?? all;
    more.hidden = all.length <= count();
    const [what] = next();
    if (!what) more.textContent = t("look.show_fewer");
    else if (what === "all") more.textContent = t("look.show_all", { count: all.length });
    else more.textContent = t("look.show_strategies", { count: begin.names.length - count() });
    groups.update(automatic());
  }

  const missing = () => model.shown.filter((name) => !answered.has(name));

  /** @param {{ version: number, rows: { name: string }[] }} answer */
  function take(answer) {
    if (answer.version !== version) answered.clear();
    version = answer.version;
    for (const { name } of answer.rows) answered.add(name);
    update();
  }

  /** Brings a network that has become known to sight, beside the others. @param {string} name */
  function show(name) {
    model.value.all = Object.keys(model.about.networks);
    choose([...new Set([...model.shown, name])]);
  }

  /** A network that joins is in sight. @param {string} name */
  function join(name) {
    if (!automatic() && chosen[0] !== "all") chosen.push(name);
  }

  /** Shows a family's networks, whatever the picture. @param {string[]} names */
  const instead = (names) => choose([...names, ...own()]);
  return { groups: groups.node, more, take, join, show, missing, automatic, instead };
}
