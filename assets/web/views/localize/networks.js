// Which networks are in sight: the reference, then beside it the five that tell most, all, or those that one chooses.
import { listed } from "../../lib/address.js";
import { make } from "../../lib/dom.js";
import { SIX } from "../../lib/networks.js";
import { mixviz } from "../../lib/page.js";
import { networkName, t } from "../../lib/texts.js";

/** @import { LookModel } from "./model.js" */

const NARROW = matchMedia("(max-width: 767px)");
const KEY = "networks"; // of the address: names, or "all"
const MOST = 50;

/** @param {LookModel} model @param {() => void} changed */
export function networkChoice(model, changed) {
  let chosen = listed(new URLSearchParams(location.search).get(KEY)).slice(0, MOST);
  let version = -1; // of the latest answer
  /** @type {Set<string>} the networks that have answered it */
  const answered = new Set();
  const boxes = make("div", { class: "mv-look-networks", aria: { role: "group", label: t("look.networks") } });
  const more = make("button", { class: "mv-button", on: { click: () => choose(next()) } });
  const begin = () => (NARROW.matches ? SIX.slice(0, 1) : SIX);

  /** What the button shows next: on a phone the others of the six, then all, then those of the beginning. */
  function next() {
    const { all } = model.value;
    if (model.whole) return [];
    const six = SIX.filter((name) => all.includes(name));
    return !chosen.length && model.shown.length < six.length ? six : ["all"];
  }

  /** The networks to show; before the server has named them, those to ask for, or null for all. */
  function wanted() {
    const { first, own } = mixviz.state;
    const all = model.answer?.all;
    if (chosen[0] === "all") return all ?? null;
    const names = new Set([
      ...(first ? [first] : []),
      ...(chosen.length ? chosen : [...begin(), ...own.map((_, i) => `own_${i + 1}`)]),
    ]);
    if (!all) return [...names];
    const found = all.filter((name) => names.has(name));
    return found.length ? found : all.slice(0, begin().length);
  }

  // Ask for the networks in sight alone, and for none a second time.
  mixviz.asking.localize = () => {
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
    const { all } = model.value;
    model.shown = wanted() ?? all;
    more.hidden = all.length <= begin().length;
    const count = next().length;
    if (!count) more.textContent = t("look.show_fewer");
    else if (next()[0] === "all") more.textContent = t("look.show_all", { count: all.length });
    else more.textContent = t("look.show_strategies", { count: count - model.shown.length });
    if (boxes.dataset.names !== all.join()) {
      boxes.dataset.names = all.join();
      boxes.replaceChildren(
        ...all.map((name) =>
          make(
            "label",
            { class: "mv-check" },
            make("input", { type: "checkbox", name, on: { change: ({ target }) => tick(name, target.checked) } }),
            networkName(name, model.about.networks[name].title),
          ),
        ),
      );
    }
    for (const box of boxes.querySelectorAll("input")) box.checked = model.shown.includes(box.name);
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
    if (chosen.length && chosen[0] !== "all") chosen.push(name);
  }
  return { boxes, more, take, join, show, missing };
}
