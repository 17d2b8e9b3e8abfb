// View of all networks side by side: findings, table, plots, and predictions between two pictures.
import { make, partOf } from "../lib/dom.js";
import { tenth, whole } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { named, t } from "../lib/texts.js";
import { betweenPanel } from "./compare/between.js";
import { zooPlots } from "./compare/zoo_plots.js";
import { cardPanel, columnName, rowName, zooTable } from "./compare/zoo_table.js";

/** @import { Context, Finding, Zoo } from "../types.js" */

/** @param {Context} context */
export default function compareView({ element, server }) {
  const root = () => partOf(element);
  let turn = 0;
  /** @type {ReturnType<typeof betweenPanel> | null} */
  let between = null;

  /** @param {Zoo} value */
  function findings(value) {
    /** @param {string} title */
    const name = (title) => rowName(value.rows.find((row) => row.title === title) ?? { name: title, title });
    /** @param {Finding} found */
    const said = (found) =>
      [
        found.beyond === null
          ? ""
          : t(found.beyond ? "compare.beyond" : "compare.within", { error: tenth(found.error) }),
        found.base !== null && found.others
          ? t("compare.base", { base: tenth(found.base), low: tenth(found.others[0]), high: tenth(found.others[1]) })
          : "",
        found.centre === null
          ? ""
          : t("compare.above", { above: found.above, n: value.rows.length, centre: tenth(found.centre) }),
      ]
        .filter(Boolean)
        .join(" ");
    return make(
      "div",
      { class: "mv-findings" },
      ...value.findings.map((found) => {
        const lower = value.columns.find(({ key }) => key === found.key)?.lower;
        const low = found.means[found.low];
        const high = found.means[found.high];
        return make(
          "section",
          { class: "mv-panel", data: { finding: found.key } },
          make("h3", { textContent: columnName(found.key) }),
          make("p", { class: "mv-big", textContent: `${tenth(low)} – ${tenth(high)}\u00a0%` }),
          make("p", { class: "mv-small", textContent: named(`compare.about.${found.key}`, "") }),
          make("p", { class: "mv-small mv-verdict", textContent: said(found) }),
          make("p", {
            class: "mv-small",
            textContent: t("compare.ends", {
              low: name(found.low),
              high: name(found.high),
              better: t(lower ? "compare.lower_better" : "compare.higher_better"),
            }),
          }),
        );
      }),
    );
  }

  /**
   * Describes the conditions that all cards share, and omits those that differ.
   *
   * @param {Zoo} value
   */
  function lede(value) {
    const cards = Object.values(value.cards);
    /** @param {(card: any) => any} of */
    const same = (of) => (new Set(cards.map(of)).size === 1 ? of(cards[0]) : t("compare.various"));
    return t("compare.lede", {
      n: cards.length,
      rows: value.rows.length,
      network: same((card) => card.network.name),
      classes: same((card) => card.data.classes.length),
      data: same((card) => card.data.name),
      side: same((card) => card.network.image_size),
      epochs: same((card) => card.run.epochs),
      pictures: value.pictures.map(whole).join(" / "),
    });
  }

  /** @param {Zoo} value */
  function build(value) {
    const card = cardPanel(value);
    const table = zooTable(value, card.open);
    const plots = make("div", { class: "mv-plots" }, ...zooPlots(value, card.open));
    const between = betweenPanel(value.rows, Object.values(value.cards)[0]?.data.classes ?? [], server);
    /** @param {string} key @param {string} id @param {...Node} nodes */
    const section = (key, id, ...nodes) =>
      make("section", { aria: { label: t(key) } }, make("h2", { id, tabIndex: -1, textContent: t(key) }), ...nodes);
    /** @param {string} key @param {string} id */
    const jump = (key, id) =>
      make("button", {
        class: "mv-chip",
        textContent: t(key),
        on: {
          click: () => {
            const to = document.getElementById(id);
            to?.focus({ preventScroll: true });
            to?.scrollIntoView({ block: "start" });
          },
        },
      });
    const several = value.rows.some((row) => row.seeds.length > 1);
    root().replaceChildren(
      make(
        "div",
        { class: "mv-about" },
        make("h2", { textContent: t("compare.title", { n: value.rows.length }) }),
        make("p", { class: "mv-told", textContent: lede(value) }),
      ),
      findings(value),
      make("p", { class: "mv-small mv-sure", textContent: t(several ? "compare.sure_seeds" : "compare.sure") }),
      make(
        "div",
        { class: "mv-chips mv-jumps" },
        jump("compare.table", "mv-standings"),
        jump("compare.plots", "mv-zoo-plots"),
        jump("compare.between", "mv-between"),
      ),
      section("compare.table", "mv-standings", table.node, card.node),
      section(
        "compare.plots",
        "mv-zoo-plots",
        make("p", { class: "mv-small", textContent: t("compare.plots_why") }),
        plots,
      ),
      between.node,
    );
    return between;
  }

  mixviz.views("compare", (value) => {
    between ??= build(value);
    mixviz.settled.add("compare"); // the cards do not change
    between.update(value.names);
    root().dataset.shown = String(++turn);
  });
}
