// The cards as a sortable table, and the card of one network as a panel.
import { codePanel } from "../../lib/code.js";
import { csvOf } from "../../lib/csv.js";
import { focusOn, hand, make, onEscape, press } from "../../lib/dom.js";
import { tenth, whole } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { sortedTable } from "../../lib/tables.js";
import { named, networkName, t } from "../../lib/texts.js";

/** @import { GiveBack, Mean, OpenCard, Zoo, ZooRow } from "../../types.js" */

/** @param {string} key */
export const columnName = (key) => named(`compare.column.${key}`, key);
/** @param {{ name: string, title: string }} row */
export const rowName = (row) => networkName(row.name, row.title);

/**
 * Names what the error bars of some numbers measure: pictures, pairs, seeds, or several of them.
 *
 * @param {(Mean | undefined)[]} values
 */
export function barsNote(values) {
  const said = new Set(
    values
      .flatMap((value) => (value?.error ? [value] : []))
      .map(({ kind, each, count }) =>
        t(`compare.bars_${kind}`, { count: kind === "seeds" ? each.length : whole(count) }),
      ),
  );
  return [...said].join(" ");
}

/** @param {Zoo} value @param {OpenCard<ZooRow>} open */
export function zooTable(value, open) {
  let short = true;
  const seeds = value.rows.some((row) => row.seeds.length > 1) ? [{ key: "seeds", title: t("compare.seeds") }] : [];
  const shown = () => value.columns.filter((column) => !short || column.short);
  const columns = () => [
    ...seeds,
    ...shown().map(({ key, lower }) => ({
      key,
      title: columnName(key),
      about: named(`compare.about.${key}`, ""),
      lower,
      written: tenth,
    })),
  ];
  const about = make("p", { class: "mv-small", aria: { role: "status" } });
  const note = make("p", { class: "mv-small" });
  const table = sortedTable({
    columns,
    first: { title: t("compare.strategy") },
    /** @param {string} key */
    sorted: (key) => {
      about.textContent = key ? `${columnName(key)}: ${named(`compare.about.${key}`, "")}` : "";
    },
    foot: () =>
      shown().some(({ key }) => key in value.centre) ? [{ head: t("compare.centre"), values: value.centre }] : [],
  });
  const scope = make("div", { class: "mv-chips", aria: { role: "group", label: t("compare.columns") } });
  const scroller = make(
    "div",
    { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t("compare.table") } },
    table.node,
  );
  const csv = make("button", {
    class: "mv-chip",
    textContent: "CSV",
    data: { take: "csv" },
    aria: { label: `${t("compare.table")}: ${t("plot.take", { kind: "CSV" })}` },
    on: { click: () => hand(csvOf(lines()), "mixviz-networks.csv") },
  });
  const node = make(
    "section",
    { class: "mv-panel", data: { part: "table" } },
    make("div", { class: "mv-plot-head" }, scope, csv),
    scroller,
    about,
    note,
  );

  /** @param {ZooRow} row */
  const head = (row) =>
    make("button", {
      class: "mv-link",
      textContent: rowName(row),
      title: row.title,
      aria: { label: t("compare.open_card", { name: rowName(row) }) },
      on: {
        click: ({ currentTarget }) =>
          open(
            row,
            node,
            () => table.body.querySelector(`[data-row="${CSS.escape(row.title)}"] button`) ?? currentTarget,
          ),
      },
    });
  function draw() {
    table.update(
      value.rows.map((row) => ({
        row,
        name: row.title,
        title: rowName(row),
        head: head(row),
        values: {
          seeds: row.seeds.length,
          ...Object.fromEntries(Object.entries(row.values).map(([key, { mean }]) => [key, mean])),
        },
        notes: Object.fromEntries(
          Object.entries(row.values).map(([key, { error }]) => [key, error ? `± ${tenth(error)}` : ""]),
        ),
      })),
    );
    press(scope, "short", String(short));
    const cells = value.rows.flatMap((row) => shown().map(({ key }) => row.values[key]));
    note.textContent = `${t("compare.table_note")} ${barsNote(cells)}`;
  }
  for (const few of [true, false])
    scope.append(
      make("button", {
        class: "mv-chip",
        data: { short: few },
        textContent: t(few ? "compare.few" : "compare.all"),
        on: {
          click: () => {
            short = few;
            draw();
          },
        },
      }),
    );

  // The file has all columns, also hidden ones, each with its error and the kind of error.
  function lines() {
    const heads = value.columns.flatMap(({ title }) => [title, `${title}: ±`, `${title}: ± of`]);
    /** @param {Mean | undefined} found */
    const kind = (found) =>
      !found?.error
        ? ""
        : found.kind === "seeds"
          ? `standard deviation of ${found.each.length} seeds`
          : `standard error of ${found.count} ${found.kind}`;
    const rows = table
      .order()
      .map(({ row }) => [
        row.title,
        row.networks.join(" "),
        row.seeds.join(" "),
        ...value.columns.flatMap(({ key }) => [
          row.values[key]?.mean ?? "",
          row.values[key]?.error ?? "",
          kind(row.values[key]),
        ]),
      ]);
    return [
      ["strategy", "networks", "seeds", ...heads],
      ...rows,
      ["centre, without a network", "", "", ...value.columns.flatMap(({ key }) => [value.centre[key] ?? "", "", ""])],
    ];
  }
  draw();
  return { node, draw };
}

/**
 * The card of a row: its first network's, with a choice of seeds if there are several.
 *
 * @param {Zoo} value
 */
export function cardPanel(value) {
  const node = make("section", {
    class: "mv-panel mv-network",
    hidden: true,
    data: { part: "card" },
    aria: { label: t("compare.card") },
  });
  /** @type {GiveBack} */
  let back = () => null;
  function close() {
    node.hidden = true;
    focusOn(back());
  }
  onEscape(node, close);
  /** @param {string} name @param {...Node | string} content */
  const fact = (name, ...content) =>
    make("div", {}, make("dt", { textContent: t(`compare.fact.${name}`) }), make("dd", {}, ...content));

  /** @param {ZooRow} row @param {string} name */
  function draw(row, name) {
    const card = value.cards[name];
    const { network, run, made, data } = card;
    const heading = make("h3", { tabIndex: -1, textContent: card.title });
    const metrics = value.columns
      .filter((column) => column.short && row.values[column.key])
      .map(({ key }) => {
        const found = row.values[key];
        const own = found.each[row.networks.indexOf(name)] ?? found.mean;
        return make(
          "div",
          {},
          make("dt", { textContent: columnName(key) }),
          make("dd", { textContent: `${tenth(own)} %${found.error ? ` ± ${tenth(found.error)}` : ""}` }),
        );
      });
    const seeds =
      row.networks.length > 1
        ? [
            make(
              "div",
              { class: "mv-chips", aria: { role: "group", label: t("compare.seeds") } },
              ...row.networks.map((other, i) =>
                make("button", {
                  class: "mv-chip",
                  textContent: `${t("seed")} ${row.seeds[i]}`,
                  aria: { pressed: String(other === name) },
                  on: { click: () => draw(row, other) },
                }),
              ),
            ),
          ]
        : [];
    const source = card.url
      ? make("a", { href: card.url, target: "_blank", rel: "noopener", textContent: card.citation })
      : card.citation;
    node.replaceChildren(
      make(
        "div",
        { class: "mv-plot-head" },
        heading,
        make("button", { class: "mv-button", textContent: t("compare.close"), on: { click: close } }),
      ),
      ...seeds,
      make("dl", { class: "mv-facts mv-figures" }, ...metrics),
      make("p", { class: "mv-small", textContent: barsNote(Object.values(row.values)) }),
      make(
        "dl",
        { class: "mv-facts" },
        fact("method", source),
        fact(
          "data",
          t("compare.told.data", {
            name: data.name,
            classes: data.classes.length,
            train: whole(data.train),
            val: whole(data.val),
          }),
        ),
        fact("network", t("compare.told.network", { ...network, parameters: (network.parameters / 1e6).toFixed(2) })),
        fact("run", t("compare.told.run", run)),
        fact("seed", String(run.seed)),
        fact(
          "last",
          card.last
            ? t("compare.told.last", {
                last: tenth(card.last.top1),
                best: tenth(card.best.top1),
                epoch: card.best.epoch,
              })
            : "–",
        ),
        fact("made", t("compare.told.made", made)),
        fact("weights", make("code", { textContent: card.sha256.slice(0, 16) })),
        fact("terms", data.terms),
      ),
      make("h4", { textContent: t("compare.again") }),
      ...codePanel(card.command).nodes,
      make(
        "div",
        { class: "mv-chips mv-doors" },
        make("button", {
          class: "mv-button",
          data: { door: "localize" },
          textContent: t("compare.to_localize"),
          on: { click: () => mixviz.open("localize", { first: name }) },
        }),
        make("button", {
          class: "mv-button",
          data: { door: "embeddings" },
          textContent: t("compare.to_embeddings"),
          on: { click: () => mixviz.open("embeddings", { network: name }) },
        }),
      ),
    );
    return heading;
  }
  /**
   * Opens below the chosen element, and returns the focus to it on closing.
   *
   * @type {OpenCard<ZooRow>}
   */
  const open = (row, after, giveBack) => {
    if (!row) return;
    back = giveBack;
    const heading = draw(row, row.networks[0]);
    after.after(node);
    node.hidden = false;
    heading.focus();
    node.scrollIntoView({ block: "nearest" });
  };
  return { node, open };
}
