// Dialog about one method of the gallery: what it does, where its pixels come from, and its numbers.
import { childrenOf, labelBar, make, outline, place } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { outlinesOf } from "../../lib/outlines.js";
import { language, sentence, t } from "../../lib/texts.js";

/** @import { Card, State } from "../../types.js" */
/** @import { Tile } from "../grid.js" */

/** @param {string} name */
function figure(name) {
  const box = make("div", { class: "mv-box" });
  const outlines = outlinesOf();
  const tile = make("div", { class: "mv-tile", aria: { role: "img" } }, outlines.node, box);
  const text = make("figcaption");
  return { node: make("figure", { class: name }, tile, text), tile, box, outlines, text };
}

/** Aliases in the page's language. @param {string} name */
function aliases(name) {
  const korean = language() === "ko";
  return (mixviz.methods[name]?.[2] ?? []).filter((one) => /\p{Script=Hangul}/u.test(one) === korean);
}

/** @param {{ pins: Set<string>, pin: (name: string) => void, still: () => string | undefined }} gallery */
export function aboutDialog({ pins, pin, still }) {
  /** @type {Tile | undefined} */
  let tile;
  const heading = make("h2", { id: "mv-method-facts-title", tabIndex: -1 });
  const close = make("button", { class: "mv-button", textContent: t("close"), on: { click: () => node.close() } });
  const [mixed, heat, cut] = ["mv-mixed", "mv-saliency", "mv-cut"].map(figure);
  const bar = labelBar();
  const rows = Array.from({ length: 4 }, () => make("div", {}, make("dt"), make("dd")));
  const numbers = make("dl", { class: "mv-numbers" }, ...rows);
  const [summary, truth, note, names] = ["mv-told", "mv-truth", "mv-note", "mv-small"].map((name) =>
    make("p", { class: name }),
  );
  /** @param {string} view @param {Partial<State>} changes */
  const leads = (view, changes) => () => {
    const method = tile?.name;
    node.close();
    mixviz.open(view, { method, ...changes });
  };
  const open = make("button", { class: "mv-button mv-primary", on: { click: leads("detail", {}) } });
  const look = make("button", {
    class: "mv-button",
    textContent: t("look.open"),
    on: { click: leads("localize", { subject: "mix" }) },
  });
  const pinned = make("button", {
    class: "mv-button mv-pin",
    textContent: t("pin"),
    on: {
      click: () => {
        if (tile) pin(tile.name);
        draw();
      },
    },
  });
  /** @type {HTMLDialogElement} */
  const node = make(
    "dialog",
    {
      class: "mv-picker mv-method-facts",
      aria: { labelledby: heading.id },
      on: { click: ({ target }) => target === node && node.close() },
    },
    make("div", { class: "mv-picker-head" }, heading, close),
    make(
      "div",
      { class: "mv-picker-body" },
      summary,
      make("div", { class: "mv-method-facts-pictures" }, mixed.node, heat.node, cut.node),
      bar.node,
      numbers,
      truth,
      note,
      names,
      make("div", { class: "mv-chips" }, open, look, pinned),
    ),
  );

  /** @param {Card} card @param {boolean} held */
  function count(card, held) {
    const lam = card.drawn === null ? "lam_none" : held ? "lam_held" : "lam_drawn";
    const texts = [
      [t(lam), card.drawn?.toFixed(2) ?? t("none")],
      [t("areas"), card.layer ? t("none") : card.area[0].toFixed(2)],
      [t("labels"), card.share[0].toFixed(2)],
      [t("fair_label"), card.layer ? t("none") : card.fair[0].toFixed(2)],
    ];
    rows.forEach((row, i) => childrenOf(row).forEach((part, j) => (part.textContent = texts[i][j])));
    rows[3].classList.toggle("mv-off", card.gap > 0.15);
  }

  function draw() {
    if (!node.open || !tile?.card || !tile.shown) return;
    const { name, title, card, shown } = tile;
    const source = card.pair ? 1 : 0;
    const patch = card.source || (card.pair ? null : card.target);
    const whose = { name: shown.names[source] };
    heading.textContent = title;
    heading.title = card.citation;
    summary.textContent = t(`summary.${name}`);
    place(mixed.tile, tile.sheet, tile.index, shown.columns, shown.rows);
    place(heat.tile, still(), 2 + source, 4);
    place(cut.tile, still(), source, 4);
    outline(mixed.box, card.target);
    outline(heat.box, card.looks ? patch : null);
    outline(cut.box, patch);
    mixed.outlines.update(card.outlines ?? [], shown.names.slice(0, card.pair ? 2 : 1));
    heat.node.classList.toggle("mv-unused", !card.looks);
    mixed.text.textContent = card.layer ? t("unmixed_layer", { layer: card.layer }) : t("mixture");
    heat.text.textContent = card.looks ? t("saliency_of", { letter: "AB"[source] }) : t("not_looked");
    cut.text.textContent = t(!card.pair ? (patch ? "hole_in" : "only_a") : patch ? "patch_of" : "all_of");
    mixed.tile.setAttribute("aria-label", t("alt_mixed", { name: shown.names[0], title }));
    heat.tile.setAttribute("aria-label", t("alt_heat", whose));
    cut.tile.setAttribute("aria-label", t(patch ? "alt_patch" : "alt_picture", whose));
    bar.update(shown.names, card.share, innerWidth < 768 ? 34 : 60);
    count(card, shown.held);
    truth.textContent = [sentence(card.sentence, shown.names), !card.layer && t(`judge.${shown.judge}`)]
      .filter(Boolean)
      .join(" ");
    const asks = card.asks && t("asks", { detector: t(`detector.${shown.detector}`) });
    note.textContent = [asks, card.own && t("own_parameters")].filter(Boolean).join(" ");
    names.textContent = aliases(name).length ? t("also_called", { names: aliases(name).join(", ") }) : "";
    open.textContent = t("open_method", { title });
    pinned.setAttribute("aria-pressed", String(pins.has(name)));
  }

  return {
    node,
    draw,
    /** @param {Tile} of */
    open(of) {
      tile = of;
      node.showModal();
      heading.focus();
      draw();
    },
  };
}
