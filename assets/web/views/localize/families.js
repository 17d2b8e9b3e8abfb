// The list of networks, grouped by family: those that were trained on the same classes.
import { make } from "../../lib/dom.js";
import { className, language, named, networkName, t } from "../../lib/texts.js";

/** @import { Family } from "../../types.js" */
/** @import { LookModel } from "./model.js" */

/** What a family is called: as its data set. @param {Family} family */
export const familyName = ({ data }) => (data ? named(`data.${data}`, data) : t("family.own"));

/** Its classes and how its networks differ, in a sentence. @param {Family} family */
function toldOf({ count, some, compared, pictures }) {
  const numbers = { count: count.toLocaleString("en"), some: some.map(className).join(", ") };
  if (!compared) return t("family.told", numbers);
  return t("family.compared", { ...numbers, pictures: pictures.toLocaleString("en") });
}

/**
 * @param {LookModel} model
 * @param {{ choose: (names: string[]) => void, tick: (name: string, on: boolean) => void }} on
 */
export function familyGroups(model, { choose, tick }) {
  const suits = make("button", {
    class: "mv-chip",
    textContent: t("family.automatic"),
    title: t("family.automatic_why"),
    on: { click: () => choose([]) },
  });
  const list = make("div");
  const node = make("div", { class: "mv-families", aria: { role: "group", label: t("look.networks") } }, suits, list);
  let listedNames = "";

  /** @param {Family} family */
  function group(family) {
    const name = familyName(family);
    const boxes = family.names.map((one) =>
      make(
        "label",
        { class: "mv-check" },
        make("input", { type: "checkbox", name: one, on: { change: ({ target }) => tick(one, target.checked) } }),
        networkName(one, model.about.networks[one].plain),
      ),
    );
    const these = make("button", {
      class: "mv-chip",
      textContent: t("family.these"),
      aria: { label: t("family.these_of", { name }) },
      on: { click: () => choose(family.begin) },
    });
    return make(
      "section",
      { class: "mv-family", data: { family: family.key } },
      make("div", { class: "mv-family-head" }, make("strong", { textContent: name }), these),
      make("p", { class: "mv-small", textContent: toldOf(family) }),
      make("div", { class: "mv-look-networks" }, ...boxes),
    );
  }

  /** @param {boolean} automatic do the classes choose the networks? */
  function update(automatic) {
    const { families, networks } = model.about;
    const all = families.flatMap(({ names }) => names.map((name) => `${name}=${networks[name].title}`)).join();
    if (listedNames !== all) {
      listedNames = all;
      list.replaceChildren(...families.map(group));
    }
    suits.setAttribute("aria-pressed", String(automatic));
    for (const box of list.querySelectorAll("input")) box.checked = model.shown.includes(box.name);
  }
  return { node, update };
}

/**
 * Says so where the classes belong to different families, of which one is in sight.
 *
 * @param {LookModel} model
 * @param {{ automatic: () => boolean, instead: (names: string[]) => void }} choice
 */
export function familyLine(model, { automatic, instead }) {
  const told = make("span");
  const button = make("button", { class: "mv-button", on: { click: () => other && instead(other.names) } });
  const node = make("p", { class: "mv-look-apart", aria: { role: "status" } }, told, button);
  /** @type {{ names: string[], knows: string[] } | null} */
  let other = null;

  function update() {
    const { begin } = model.value;
    other = automatic() && model.shown.length > 1 ? begin.other : null;
    node.hidden = !other;
    if (!other) return;
    const list = new Intl.ListFormat(language());
    const quoted = (/** @type {string[]} */ names) => list.format(names.map((name) => `“${className(name)}”`));
    const family = model.about.families.find(({ key }) => key === begin.family);
    told.textContent = t("family.apart", { lacks: quoted(begin.lacks), family: family ? familyName(family) : "" });
    button.textContent = t("family.instead", { names: quoted(other.knows) });
  }
  return { node, update };
}
