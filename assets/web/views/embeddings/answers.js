// All networks' numbers for the embeddings view: distances of a picture to the classes, and the cards' measures.
import { make } from "../../lib/dom.js";
import { percent, percentage } from "../../lib/numbers.js";
import { sortedTable, tableOf } from "../../lib/tables.js";
import { className, t } from "../../lib/texts.js";

import { setOf, shownOf } from "./pictures.js";

/** @import { EmbeddingsView, Network } from "../../types.js" */

export const COLUMNS = [
  ["purity_percent", "purity"],
  ["nmi_percent", "nmi"],
  ["retrieval_map_percent", "map"],
  ["precision_at_1_percent", "p1"],
  ["auroc_direction", "auroc"],
];

/** A box of a wide table, which scrolls on its own. @param {string} label */
export const wideOf = (label) =>
  make("div", { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t(`embed.${label}`) } });

/** @param {EmbeddingsView} view @param {() => string} current the key of the picture whose answers are shown */
export function answersOf(view, current) {
  const [farTold, far] = [make("p", { class: "mv-told" }), wideOf("col_distance")];
  const [table, note] = [wideOf("numbers"), make("p", { class: "mv-small" })];
  const terms = make(
    "dl",
    { class: "mv-terms" },
    ...COLUMNS.flatMap(([, key]) => [
      make("dt", { textContent: t(`embed.${key}`) }),
      make("dd", { textContent: t(`embed.${key}_is`) }),
    ]),
  );

  /** @param {string} key */
  const span = (key) => {
    const values = view.fixed.networks.map(({ card }) => card?.[key]).filter(Number.isFinite);
    return values.length ? `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}\u00a0%` : "–";
  };

  function drawFar() {
    const { placed } = shownOf(view, current());
    farTold.textContent = t("embed.far_told", {
      direction: span("auroc_direction"),
      paper: span("auroc_paper"),
      softmax: span("auroc_softmax"),
    });
    const rows = view.fixed.networks.map((its) => {
      const found = placed?.[its.name];
      const card = its.card ?? {};
      const says = found && `${className(setOf(view, its).classes[found.class])} (${percent(found.probability)})`;
      return {
        name: its.name,
        cells: [
          nameButton(its),
          says ?? "–",
          found?.distance?.toFixed(2) ?? "–",
          typeof found?.farther === "number" ? percent(found.farther) : "–",
          percentage(card.auroc_direction),
          percentage(card.auroc_paper),
          percentage(card.auroc_softmax),
        ],
      };
    });
    far.replaceChildren(
      tableOf(
        ["network", "says", "distance", "farther", "auroc_direction", "auroc_paper", "auroc_softmax"].map((key) =>
          t(`embed.col_${key}`),
        ),
        rows,
      ),
    );
  }

  /** @param {Network} its */
  const nameButton = (its) =>
    make("button", {
      class: "mv-link",
      textContent: its.title,
      aria: { pressed: String(its.name === view.network().name) },
      on: { click: () => view.change({ network: its.name }) },
    });

  const ranked = new Map(); // the table in each container, which keeps its sorting
  /**
   * @param {HTMLElement} where
   * @param {string[][]} columns
   * @param {Network[]} networks
   * @param {(its: Network) => Record<string, any> | null | undefined} numbersOf
   */
  function rank(where, columns, networks, numbersOf) {
    if (!ranked.has(where))
      ranked.set(
        where,
        sortedTable({
          first: { title: t("embed.col_network"), sorts: false },
          columns: () =>
            columns.map(([key, text]) => ({ key, title: t(`embed.${text}`), lower: false, written: percentage })),
        }),
      );
    const table = ranked.get(where);
    table.update(
      networks.map((its) => ({
        name: its.name,
        title: its.title,
        head: nameButton(its),
        values: numbersOf(its) ?? {},
      })),
    );
    if (!where.contains(table.node)) where.replaceChildren(table.node);
  }

  function draw() {
    drawFar();
    const cards = view.fixed.networks.map(({ card }) => card).filter(Boolean);
    rank(table, COLUMNS, view.fixed.networks, ({ card }) => card);
    const seeds = new Set(cards.map(({ seed }) => seed)).size;
    note.textContent = cards.length
      ? t(seeds > 1 ? "embed.of_all" : "embed.of_one", {
          images: [...new Set(cards.map(({ images }) => images))].join(", "),
          others: cards[0].others ?? "–",
        })
      : "";
  }

  return {
    far: [farTold, far, make("p", { class: "mv-small", textContent: t("embed.far_why") })],
    numbers: [table, note, terms],
    rank,
    draw,
  };
}
