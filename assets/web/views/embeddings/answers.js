// All networks' answers for the pictures of the embeddings view: neighbours, distances and the cards' numbers.
import { make, press } from "../../lib/dom.js";
import { percent, percentage } from "../../lib/numbers.js";
import { stylesOf } from "../../lib/points.js";
import { markOf, tileOf } from "../../lib/scatter.js";
import { sortedTable, tableOf } from "../../lib/tables.js";
import { className, t } from "../../lib/texts.js";

/** @import { EmbeddingsView, Network } from "../../types.js" */

export const COLUMNS = [
  ["purity_percent", "purity"],
  ["nmi_percent", "nmi"],
  ["retrieval_map_percent", "map"],
  ["precision_at_1_percent", "p1"],
  ["auroc_direction", "auroc"],
];

/** @param {EmbeddingsView} view */
export function answersOf(view) {
  const heading = () =>
    view.about.forEach((group) => {
      press(group, "subject", view.subject);
      [...group.children].forEach((button, i) => {
        button.textContent = `${"AB"[i]}: ${view.value.names[i]}`;
      });
    });

  function drawNear() {
    heading();
    view.near.replaceChildren(
      ...view.fixed.networks.map((its) => {
        const found = view.value.placed[view.subject][its.name];
        const known = view.fixed.sets[its.set];
        const styles = stylesOf(known.classes.length, known.kinds);
        if (!found?.near)
          return make(
            "article",
            {},
            make("h4", { textContent: its.title }),
            make("p", { class: "mv-small", textContent: found?.not_placed ?? "" }),
          );
        const [most, times] = found.most;
        const figures = found.near.map((/** @type {number} */ index, /** @type {number} */ i) => {
          const label = known.label[index];
          const tile =
            view.thumbs?.url && view.thumbs.set === its.set
              ? tileOf({ ...view.thumbs, index }, 56)
              : make("span", { class: "mv-thumb mv-blank" }, markOf(styles[label], 30));
          return make(
            "figure",
            {},
            tile,
            make("figcaption", {}, className(known.classes[label]), make("br"), found.similarity[i].toFixed(3)),
          );
        });
        return make(
          "article",
          { data: { near: its.name } },
          make("h4", { textContent: its.title }),
          make("p", {
            class: "mv-small",
            textContent:
              times > 1
                ? t("embed.of_five", { count: times, n: found.near.length, name: className(known.classes[most]) })
                : t("embed.all_differ", { n: found.near.length }),
          }),
          make("div", { class: "mv-five" }, ...figures),
        );
      }),
    );
  }

  /** @param {string} key */
  const span = (key) => {
    const values = view.fixed.networks.map(({ card }) => card?.[key]).filter(Number.isFinite);
    return values.length ? `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}\u00a0%` : "–";
  };

  function drawFar() {
    heading();
    view.farTold.textContent = t("embed.far_told", {
      direction: span("auroc_direction"),
      paper: span("auroc_paper"),
      softmax: span("auroc_softmax"),
    });
    const rows = view.fixed.networks.map((its) => {
      const found = view.value.placed[view.subject][its.name];
      const card = its.card ?? {};
      const says = found
        ? `${className(view.fixed.sets[its.set].classes[found.class])} (${percent(found.probability)})`
        : "–";
      return {
        name: its.name,
        cells: [
          nameButton(its),
          says,
          found?.distance?.toFixed(2) ?? "–",
          found?.farther === null || found?.farther === undefined ? "–" : percent(found.farther),
          percentage(card.auroc_direction),
          percentage(card.auroc_paper),
          percentage(card.auroc_softmax),
        ],
      };
    });
    view.far.replaceChildren(
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
      on: { click: () => view.pick(its.name) },
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

  function drawTable() {
    const cards = view.fixed.networks.map(({ card }) => card).filter(Boolean);
    rank(view.table, COLUMNS, view.fixed.networks, ({ card }) => card);
    const seeds = new Set(cards.map(({ seed }) => seed)).size;
    view.tableNote.textContent = cards.length
      ? t(seeds > 1 ? "embed.of_all" : "embed.of_one", {
          images: [...new Set(cards.map(({ images }) => images))].join(", "),
          others: cards[0].others ?? "–",
        })
      : "";
  }

  return { drawNear, drawFar, drawTable, rank };
}
