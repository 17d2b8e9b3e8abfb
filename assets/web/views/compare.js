// View of all networks side by side: what differs beyond chance, four measures with their errors, the rest on demand.
import { listed } from "../lib/address.js";
import { make, partOf } from "../lib/dom.js";
import { tenth, whole } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { language, named, t } from "../lib/texts.js";
import { betweenPanel } from "./compare/between.js";
import { dotPlots } from "./compare/dots.js";
import { pairedLists } from "./compare/paired.js";
import { zooPlots } from "./compare/zoo_plots.js";
import { barsNote, cardPanel, zooTable } from "./compare/zoo_table.js";

/** @import { Context, Finding, Zoo } from "../types.js" */

/** @param {Context} context */
export default function compareView({ element, server }) {
  const root = () => partOf(element);
  let turn = 0;
  /** @type {Zoo | null} */
  let zoo = null;
  /** @type {ReturnType<typeof betweenPanel> | null} */
  let between = null;
  const asked = new Set(listed(new URLSearchParams(location.search).get("part")));
  const above = make("div");
  const choices = make("div", { class: "mv-chips", aria: { role: "group", label: t("compare.families") } });
  const families = make(
    "div",
    { class: "mv-zoo-families", hidden: true },
    make("b", { textContent: t("compare.families") }),
    choices,
  );
  /** @type {string[]} of the pictures */
  let names = [];

  /** What is built when it is opened first. @type {Record<string, (value: Zoo) => Node[]>} */
  const CONTENTS = {
    table: (value) => [zooTable(value, card(value).open).node],
    plots: (value) => [
      make("p", { class: "mv-small", textContent: t("compare.plots_why") }),
      make("div", { class: "mv-plots" }, ...zooPlots(value, card(value).open)),
    ],
    paired: (value) => pairedLists(value),
    between: (value) => {
      between = betweenPanel(value.rows, value.classes, server);
      between.update(names);
      return [between.node];
    },
    about: (value) => about(value).map((text) => make("p", { class: "mv-told", textContent: text })),
  };
  const parts = Object.keys(CONTENTS).map((name) => {
    const body = make("div");
    /** @type {HTMLDetailsElement} */
    const node = make(
      "details",
      { class: "mv-panel", data: { open: name }, open: asked.has(name), on: { toggle: turned } },
      make("summary", { textContent: t(`compare.${name}`) }),
      ...(name === "between" ? [make("div", { class: "mv-fields", data: { control: "pictures" } })] : []),
      body,
    );
    function turned() {
      node.open ? asked.add(name) : asked.delete(name);
      mixviz.note("part", [...asked].join(","));
      fill();
    }
    function fill() {
      if (zoo && node.open && !body.children.length) body.append(...CONTENTS[name](zoo));
    }
    return { name, node, body, fill };
  });
  root().append(families, above, ...parts.map(({ node }) => node));

  /** @type {ReturnType<typeof cardPanel> | null} */
  let panel = null;
  /** @param {Zoo} value */
  const card = (value) => (panel ??= cardPanel(value));

  /**
   * Which measures differ beyond chance, and which do not.
   *
   * @param {Zoo} value
   */
  function verdict({ findings }) {
    const list = new Intl.ListFormat(language(), { type: "conjunction" });
    /** @param {Finding} found */
    const name = ({ key }) => t(`compare.in.${key}`);
    /** @param {Finding} found */
    const ranged = (found) =>
      t("compare.range", { name: name(found), low: tenth(found.low), high: tenth(found.high) });
    const differ = findings.filter(({ beyond }) => beyond).map(ranged);
    const alike = findings.filter(({ beyond }) => beyond === false).map(name);
    return [
      ...(differ.length ? [t("compare.beyond", { list: list.format(differ) })] : []),
      ...(alike.length ? [t("compare.within", { list: list.format(alike) })] : []),
    ].join(" ");
  }

  /**
   * The conditions that all cards share, without those that differ, and what the errors mean.
   *
   * @param {Zoo} value
   */
  function about(value) {
    const cards = Object.values(value.cards);
    /** @param {(card: any) => any} of */
    const same = (of) => (new Set(cards.map(of)).size === 1 ? of(cards[0]) : t("compare.various"));
    const several = value.rows.some((row) => row.seeds.length > 1);
    const centred = value.findings.filter(({ centre }) => centre !== null);
    return [
      t("compare.lede", {
        n: cards.length,
        network: same((card) => card.network.name),
        classes: same((card) => card.data.classes.length),
        data: named(`data.${value.data}`, value.data),
        side: same((card) => card.network.image_size),
        epochs: same((card) => card.run.epochs),
        pictures: value.pictures.map(whole).join(" / "),
      }),
      t(several ? "compare.sure_seeds" : "compare.sure"),
      ...centred.map(({ above, centre }) =>
        t("compare.above", { above, n: value.rows.length, centre: tenth(centre ?? 0) }),
      ),
    ];
  }

  /** Offers the families, if there are several: their networks do not compare. @param {Zoo[]} all */
  function offer(all) {
    families.hidden = all.length < 2;
    choices.replaceChildren(
      ...all.map((value) => {
        const text = t("compare.family", { data: named(`data.${value.data}`, value.data), n: value.rows.length });
        return make("button", { class: "mv-chip", textContent: text, on: { click: () => choose(all, value) } });
      }),
    );
    choose(all, all[0]);
  }

  /** @param {Zoo[]} all @param {Zoo} value */
  function choose(all, value) {
    [...choices.children].forEach((chip, i) => chip.setAttribute("aria-pressed", String(all[i] === value)));
    panel?.node.remove();
    [panel, between] = [null, null];
    for (const { body } of parts) body.replaceChildren();
    begin(value);
  }

  /** @param {Zoo} value */
  function begin(value) {
    zoo = value;
    const bars = barsNote(value.rows.flatMap(({ values }) => value.findings.map(({ key }) => values[key])));
    above.replaceChildren(
      make("h1", { textContent: t("compare.title", { n: value.rows.length }) }),
      make("p", { class: "mv-lead", textContent: verdict(value) }),
      dotPlots(value, card(value).open),
      make("p", { class: "mv-small", textContent: bars }),
    );
    for (const { name, node, fill } of parts) {
      node.hidden = name === "paired" && !value.findings.some(({ paired }) => Object.keys(paired).length);
      fill();
    }
  }

  mixviz.views("compare", (value) => {
    names = value.names;
    if (!zoo) offer([value, ...(value.others ?? [])]);
    mixviz.settled.add("compare"); // the cards do not change
    between?.update(names);
    root().dataset.shown = String(++turn);
  });
}
