// A card per network: its answer, and per class its map with the box and its fit.
import { byHumps, make } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { className, t } from "../../lib/texts.js";
import { CENTRE, SLOTS } from "./model.js";
import { altOf, numbersOf, tileOf } from "./tile.js";

/** @import { DrawnRow, LookRow } from "../../types.js" */
/** @import { LookModel } from "./model.js" */
/** @import { painterOf } from "./paint.js" */

/** A network's most probable classes, the first of them as its answer. @param {LookModel} model @param {LookRow} row */
export const answersOf = (model, row) =>
  (row.top ?? []).map(([name, share], i) => {
    const bar = make("i");
    bar.style.width = `${100 * share}%`;
    const text = i ? className(name) : t("look.says", { name: className(name) });
    const hit = model.slots.some((slot) => row.looks?.[slot].class === name && !row.looks[slot].lacks);
    return make(
      "div",
      { class: "mv-say", data: { hit: String(hit) } },
      bar,
      make("span", { textContent: text }),
      make("b", { textContent: percent(share) + model.mark(row) }),
    );
  });

/** How far to trust the answer: how often the network was right, and when it was as sure. @param {LookRow} row */
function trustOf({ trust, error }) {
  if (!trust) return error ? "" : t("look.trust_none");
  const { right, of, top1, images } = trust;
  const numbers = { right, of, images: images.toLocaleString("en"), top1: top1.toFixed(1) };
  return t(of ? "look.trust" : "look.trust_rare", numbers);
}

/** The card's measured localisation of a network. @param {LookModel} model @param {string} name */
export function measuredOf(model, name) {
  const score = model.score(name);
  if (score === undefined) return [];
  const images = model.about.networks[name].measured.images.toLocaleString("en");
  return [
    make(
      "div",
      { title: t("look.measured_at", { images }) },
      make("dt", { textContent: "MaxBoxAccV2" }),
      make("dd", { textContent: `${score.toFixed(1)}\u00a0%` }),
    ),
  ];
}

/**
 * @param {LookModel} model
 * @param {ReturnType<typeof painterOf>} painter
 * @param {HTMLElement} first what stands before all cards
 * @param {{ light: (name: string | null) => void, enlarge: (name: string, slot: number) => void }} on
 */
export function cardList(model, painter, first, on) {
  const node = make("div", { class: "mv-looks" }, first);

  /** @param {LookRow} row */
  function build(row) {
    const figures = SLOTS.map((slot) => {
      const tile = tileOf("button", model, painter);
      tile.node.addEventListener("click", () => on.enlarge(row.name, slot));
      const caption = make("figcaption");
      return { tile, caption, node: make("figure", {}, tile.node, caption) };
    });
    const parts = {
      figures,
      title: make("h2"),
      says: make("div", { class: "mv-guesses" }),
      trust: make("p", { class: "mv-small mv-trust", title: t("look.trust_why") }),
      fits: make("dl", { class: "mv-fits" }),
      error: make("p", { class: "mv-note" }),
      faith: make("div", { class: "mv-faith" }),
    };
    const card = make(
      "article",
      {
        class: "mv-look",
        data: { network: row.name },
        on: { pointerenter: () => on.light(row.name), pointerleave: () => on.light(null) },
      },
      parts.title,
      parts.says,
      make("div", { class: "mv-look-tiles" }, ...figures.map((one) => one.node)),
      make("div", { class: "mv-look-numbers" }, parts.trust, parts.fits, parts.faith, parts.error),
    );
    return { ...parts, node: card };
  }

  /** Builds a network's card once; later answers update it. @param {LookRow} row */
  function take(row) {
    const parts = model.rows.get(row.name)?.parts ?? build(row);
    model.rows.set(row.name, { ...row, parts, key: model.value.key });
    parts.error.textContent = row.error ?? "";
    parts.says.replaceChildren();
    parts.trust.textContent = trustOf(row);
  }

  /** Drops the rows of networks that are gone. */
  function sweep() {
    for (const [name, { parts }] of model.rows)
      if (!model.value.all.includes(name) && name !== CENTRE && model.rows.delete(name)) parts.node.remove();
  }

  function paint() {
    for (const row of model.fresh) for (const slot of model.slots) row.parts.figures[slot].tile.paint(row, slot);
  }

  function numbers() {
    node.dataset.layout = model.show.layout;
    for (const row of model.fresh) {
      for (const slot of SLOTS) {
        const { tile, caption, node: figure } = row.parts.figures[slot];
        figure.hidden = !model.slots.includes(slot);
        tile.frame(row, slot);
        tile.node.setAttribute("aria-label", t("look.enlarge", { what: altOf(model, row, slot) }));
        caption.replaceChildren(
          ...(row.looks[slot].lacks ? [`${t("look.instead", { name: model.nameOf(slot) })} `] : []),
          make("b", { textContent: model.nameOf(slot, row) }),
          ` ${numbersOf(model, row, slot)}`,
        );
      }
      row.parts.says.replaceChildren(...answersOf(model, row));
      row.parts.fits.replaceChildren(...measuredOf(model, row.name));
    }
  }

  /** Puts the cards in sight into the chosen order. @param {string} order */
  function arrange(order) {
    const { first: pinned } = mixviz.state;
    const given = [...model.value.all, CENTRE];
    /** @type {Record<string, (row: DrawnRow) => number>} */
    const keys = {
      given: (row) => -given.indexOf(row.name),
      iou: (row) => model.fit(row, model.slot) ?? -1,
      probability: (row) => row.looks?.[model.slot].probability ?? -1,
    };
    const rows = [...model.rows.values()].filter((row) =>
      row.name === CENTRE ? model.whole : model.inSight(row.name) && !model.setAside(row),
    );
    rows.sort((a, b) => Number(b.name === pinned) - Number(a.name === pinned) || keys[order](b) - keys[order](a));
    const wanted = [first, ...rows.map((row) => row.parts.node)];
    if (wanted.length !== node.children.length || wanted.some((one, i) => one !== node.children[i]))
      node.replaceChildren(...wanted);
    for (const row of rows) {
      const title = model.titleOf(row);
      if (row.parts.title.textContent !== title) row.parts.title.replaceChildren(...byHumps(title));
      row.parts.node.classList.toggle("mv-first", row.name === pinned);
      row.parts.node.classList.toggle("mv-stale", row.key !== model.value.key);
    }
  }
  return { node, take, sweep, paint, numbers, arrange };
}
