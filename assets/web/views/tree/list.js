// The family tree as a nested list: every idea below the first method that it builds on, with its descendants.
import { childrenOf, make } from "../../lib/dom.js";
import { known } from "../../lib/maps.js";
import { colourOf } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { yearOf } from "./lineage.js";

/** @import { Idea, Tree } from "../../types.js" */

/**
 * @param {Tree} value
 * @param {(name: string) => void} choose
 */
export function nestedList({ ideas, families }, choose) {
  const named = new Map(ideas.map((idea) => [idea.name, idea]));
  /** @param {Idea} idea */
  const parentOf = ({ parents }) => parents.find((name) => !known(named, name).ancestor);
  /** @param {Idea} idea */
  const below = (idea) => ideas.filter((other) => parentOf(other) === idea.name);
  /** @type {(idea: Idea) => number} how many ideas descend from it */
  const many = (idea) => below(idea).reduce((sum, child) => sum + 1 + many(child), 0);
  /** @param {Idea[]} some those with most descendants first, then the oldest */
  const sorted = (some) => [...some].sort((a, b) => many(b) - many(a));
  /** @type {Map<string, { node: HTMLElement, row: HTMLElement, expand: (on: boolean) => void }>} */
  const items = new Map();

  /** @param {Idea} idea @returns {HTMLElement} */
  function itemOf(idea) {
    const children = sorted(below(idea)).map(itemOf);
    const list = make("ol", { id: `mv-below-${idea.name}`, hidden: true }, ...children);
    const toggle = make("button", {
      class: "mv-plain",
      textContent: String(many(idea)),
      aria: { expanded: "false", controls: list.id, label: t("tree.below", { title: idea.title, n: many(idea) }) },
      on: { click: () => expand(list.hidden) },
    });
    /** @param {boolean} on */
    function expand(on) {
      list.hidden = !on;
      toggle.setAttribute("aria-expanded", String(on));
    }
    const row = make(
      "div",
      { class: "mv-listed" },
      make(
        "div",
        {},
        make("button", { class: "mv-link", textContent: idea.title, on: { click: () => choose(idea.name) } }),
        make("small", { textContent: `${yearOf(idea.year)} · ${t(`family.${idea.family}`)}` }),
      ),
      ...(children.length ? [toggle] : []),
    );
    const node = make("li", { data: { listed: idea.name } }, row, ...(children.length ? [list] : []));
    node.style.borderColor = colourOf(families.indexOf(idea.family));
    items.set(idea.name, { node, row, expand });
    return node;
  }

  const roots = ideas.filter((idea) => !parentOf(idea));
  const alone = roots.filter((idea) => !below(idea).length);
  const rest = make(
    "details",
    {},
    make("summary", { textContent: t("tree.alone", { n: alone.length }) }),
    make("ol", {}, ...alone.map(itemOf)),
  );
  const tree = make("ol", {}, ...sorted(roots.filter((idea) => !alone.includes(idea))).map(itemOf));
  const node = make("div", { class: "mv-line-of" }, tree, rest);
  items.get(childrenOf(tree)[0]?.dataset.listed ?? "")?.expand(true);

  /** Expands the list down to an idea, and returns the line that names it. @param {string} name */
  function reveal(name) {
    const { row } = known(items, name);
    if (alone.some((idea) => idea.name === name)) rest.open = true;
    for (let at = parentOf(known(named, name)); at; at = parentOf(known(named, at))) items.get(at)?.expand(true);
    return row;
  }
  return { node, reveal };
}
