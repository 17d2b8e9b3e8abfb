// View to choose a method: questions, beside them the methods that fit, best first by what was asked, each with its
// code; on demand a sortable table, a plot of any two columns, and a card. There is no overall score.
import { listed } from "../lib/address.js";
import { axisChoice } from "../lib/axes.js";
import { csvOf } from "../lib/csv.js";
import { byHumps, hand, make, partOf, within } from "../lib/dom.js";
import { share, tenth, percent, signed } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { plotOf } from "../lib/plot.js";
import { sortedTable } from "../lib/tables.js";
import { t } from "../lib/texts.js";
import { candidateCard } from "./which/candidate.js";
import { limitsOf, methodChoice, questions, reason } from "./which/choices.js";
import { shortlist } from "./which/shortlist.js";

/** @import { Candidate, Column, Context, Measure, Point, Series, Which } from "../types.js" */

/** @param {Context} context */
export default function whichView({ element }) {
  const root = () => partOf(element);
  const query = new URLSearchParams(location.search);
  const asked = limitsOf(query.get("limits"));
  const without = new Set(listed(query.get("without")));
  /** @type {Map<string, Candidate>} */
  const rows = new Map();
  /** @type {Which} */
  let about;
  /** @type {string | null} */
  let set = null;
  let turn = 0;
  let setting = query.get("setting");
  /** @param {number} x */
  const count = (x) => Math.round(x).toLocaleString("en");
  /** @param {number} x */
  const about100 = (x) => tenth(100 * x);

  /** @type {Omit<Measure, "title" | "about">[]} */
  const MEASURES = [
    ...["gap", "off", "gone", "hidden"].map((key) => ({
      key,
      lower: true,
      written: share,
      /** @param {Candidate} row */
      of: (row) => row[key]?.mean,
      /** @param {Candidate} row */
      error: (row) => row[key]?.error,
      sure: about100,
    })),
    { key: "worst", lower: true, written: percent, of: (row) => row.worst },
    {
      key: "diversity",
      written: (x) => x.toFixed(2),
      of: (row) => row.diversity?.mean,
      error: (row) => row.diversity?.error,
      sure: (x) => x.toFixed(2),
    },
    {
      key: "rate",
      lower: false,
      written: (x) => count(x),
      of: (row) => row.pace && Number(row.pace.rate.toPrecision(3)),
    },
    { key: "looking", lower: true, written: percent, of: (row) => row.pace?.looking },
    { key: "needs", text: true, of: (row) => t(`which.needs.${row.needs || "nothing"}`) },
    { key: "published", lower: true, written: (x) => signed(x, 2), of: (row) => row.published[setting ?? ""]?.change },
    {
      key: "zoo",
      lower: true,
      written: (x) => signed(x, 1),
      of: (row) => row.zoo?.mean,
      error: (row) => row.zoo?.error,
      sure: (x) => x.toFixed(1),
    },
  ];
  /** @type {Measure[]} */
  const COLUMNS = MEASURES.map((column) => ({
    ...column,
    title: t(`which.col.${column.key}`),
    about: t(`which.about.${column.key}`),
  }));
  /** @param {string} key */
  const columnOf = (key) => /** @type {Measure} */ (COLUMNS.find((column) => column.key === key));
  /** @param {string} key */
  const titleOf = (key) => columnOf(key).title;

  const progress = make("span");
  const told = make("span");
  const note = make("p", { class: "mv-small" });
  const joined = make("input", {
    type: "checkbox",
    name: "joined",
    on: { change: ({ target }) => mixviz.set({ joined: target.checked }) },
  });
  const joinedNote = make("p", { class: "mv-small" });
  const card = candidateCard(
    () => COLUMNS,
    () => about.settings,
  );
  const choice = methodChoice(without, () => draw(true));
  const explain = make("p", { class: "mv-small", aria: { role: "status" } });
  const table = sortedTable({
    columns: () => COLUMNS,
    first: { title: t("which.method") },
    /** @param {string} key */
    sorted: (key) => {
      explain.textContent = key ? `${titleOf(key)}: ${t(`which.about.${key}`)}` : "";
    },
  });
  const csv = make("button", {
    class: "mv-chip",
    textContent: "CSV",
    data: { take: "csv" },
    aria: { label: `${t("which.table")}: ${t("plot.take", { kind: "CSV" })}` },
    on: { click: () => hand(csvOf(lines()), "mixviz-which.csv") },
  });
  const chooseSetting = make("select", {
    id: "mv-setting",
    on: {
      change: () => {
        setting = chooseSetting.value;
        mixviz.note("setting", setting);
        draw(true);
      },
    },
  });
  const tablePanel = make(
    "details",
    { class: "mv-panel", data: { part: "table" }, open: query.has("setting"), on: { toggle: () => drawTable() } },
    make("summary", { textContent: t("which.table") }),
    make("div", { class: "mv-plot-head" }, make("label", { class: "mv-axis" }, t("which.setting"), chooseSetting), csv),
    make("div", { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t("which.table") } }, table.node),
    explain,
    note,
  );
  const ownPanel = make(
    "details",
    {},
    make("summary", { textContent: t("which.own") }),
    make("div", { class: "mv-fields", data: { control: "pictures" } }),
    make("label", { class: "mv-check" }, joined, t("which.joined")),
    joinedNote,
  );
  const numeric = COLUMNS.filter(({ text }) => !text);
  const axes = axesOf(listed(query.get("axes")));
  const plot = plotOf({
    name: "which",
    /** @param {Series} series @param {Point} point */
    pick: (series, point) => card.open(rows.get(point.key ?? ""), plot.node, () => plot.node.querySelector("svg")),
  });
  const plotPanel = make(
    "details",
    { class: "mv-panel", data: { part: "plot" }, open: query.has("axes"), on: { toggle: () => drawPlot() } },
    make("summary", { textContent: t("which.plot") }),
    plot.node,
  );
  within(plot.node, ".mv-plot-area").before(
    axisChoice(numeric, axes, () => {
      mixviz.note("axes", `${axes.x},${axes.y}`);
      drawPlot();
    }),
  );
  const columnsTold = make(
    "dl",
    { class: "mv-terms" },
    ...COLUMNS.flatMap(({ title, about: text }) => [
      make("dt", { textContent: title }),
      make("dd", { textContent: text }),
    ]),
  );

  const chosenFew = shortlist({
    asked,
    columnOf,
    setting: () => t("compare.setting", about.settings.find(({ key }) => key === setting)),
    open: (row, button) => card.open(row, columns, () => button),
    rest: () => {
      tablePanel.open = true;
      within(tablePanel, "summary").focus();
    },
  });
  const columns = make(
    "div",
    { class: "mv-choose" },
    make(
      "section",
      { class: "mv-panel", data: { part: "questions" } },
      make("h2", { textContent: t("which.questions") }),
      questions(asked, () => draw(true)),
    ),
    chosenFew.node,
    make("section", { class: "mv-panel mv-more-choice", aria: { label: t("which.scope") } }, choice.node, ownPanel),
  );
  root().append(
    make(
      "div",
      { class: "mv-about" },
      make("h1", { textContent: t("which.title") }),
      make("p", { class: "mv-small" }, told, " ", progress),
    ),
    columns,
    tablePanel,
    plotPanel,
    make(
      "details",
      { class: "mv-panel" },
      make("summary", { textContent: t("which.honest") }),
      make(
        "ul",
        { class: "mv-says-list" },
        ...["score", "accuracy", "pictures", "whole", "error", "speed", "zoo"].map((key) =>
          make("li", { textContent: t(`which.honest.${key}`) }),
        ),
      ),
      make("h4", { textContent: t("which.columns") }),
      columnsTold,
    ),
  );

  /** @param {string[]} chosen */
  function axesOf([x, y]) {
    /** @param {string} key */
    const known = (key) => numeric.some((column) => column.key === key);
    return { x: known(x) ? x : "diversity", y: known(y) ? y : "gap" };
  }

  /**
   * Formats the numbers for the table and the card, when an answer arrives or the setting changes.
   *
   * @param {Candidate} row
   */
  function read(row) {
    /** @type {Record<string, any>} */
    const values = {};
    /** @type {Record<string, string>} */
    const notes = {};
    /** @type {Record<string, any>} */
    const said = {};
    for (const { key, of, error, sure, written } of COLUMNS) {
      const value = of(row);
      const off = error?.(row);
      if (value === undefined || value === null) continue;
      [values[key], said[key]] = [value, written ? written(value) : value];
      if (off && sure && Number(sure(off)) > 0) notes[key] = `± ${sure(off)}`;
    }
    return { ...row, values, notes, said };
  }

  const chosen = () =>
    Object.keys(about.all)
      .flatMap((name) => rows.get(name) ?? [])
      .filter((row) => !without.has(row.name));
  const kept = () => chosen().filter((row) => !reason(row, asked));

  /** @param {boolean} [changed] by the visitor */
  function draw(changed = false) {
    if (!about) return;
    for (const [name, row] of rows) rows.set(name, read(row));
    const all = Object.keys(about.all).length;
    chosenFew.update(chosen(), rows.size === all, changed);
    choice.draw(about.all);
    card.redraw(rows);
    drawTable();
    drawPlot();
    progress.textContent = rows.size < all ? t("which.measuring", { n: rows.size, all }) : "";
  }

  function drawTable() {
    if (!tablePanel.open || !about) return;
    const pins = new Set(mixviz.pinned?.() ?? []);
    const now = kept();
    table.update(
      now.map((row) => ({
        ...row,
        row,
        pinned: pins.has(row.name),
        head: make(
          "button",
          {
            class: "mv-link",
            aria: { label: t("which.open_card", { title: row.title }) },
            on: {
              click: () =>
                card.open(rows.get(row.name), tablePanel, () =>
                  table.body.querySelector(`[data-row="${row.name}"] button`),
                ),
            },
          },
          ...byHumps(row.title),
        ),
      })),
    );
    const failed = now
      .filter(({ error }) => error)
      .map((row) => t("which.failed", { title: row.title, reason: row.error }));
    const inside = now.filter(({ inside }) => inside).map(({ title }) => title);
    note.textContent = [
      t("which.note", about.made),
      ...(inside.length ? [`${inside.join(", ")}: ${t("which.inside")}`] : []),
      ...failed,
    ].join(" ");
  }

  function drawPlot() {
    if (!plotPanel.open || !about) return;
    const now = kept();
    const families = [...new Set(Object.values(about.all))];
    const [x, y] = [axes.x, axes.y].map(columnOf);
    /** @param {Column} column */
    const axis = ({ key, title, written }) => ({
      label: title,
      format: written,
      ...(["gap", "off", "gone", "hidden", "worst", "looking", "diversity", "rate"].includes(key) ? { low: 0 } : {}),
    });
    plot.update({
      title: t("compare.scatter", { x: x.title, y: y.title }),
      x: axis(x),
      y: axis(y),
      height: 380,
      note: t("which.plot_note"),
      series: families
        .map((family, index) => ({
          key: family,
          title: t(`family.${family}`),
          index,
          line: false,
          points: now
            .filter((row) => row.family === family && x.key in row.values && y.key in row.values)
            .map((row) => ({
              key: row.name,
              title: row.title,
              label: row.title,
              x: row.values[x.key],
              y: row.values[y.key],
              xerror: x.error?.(row),
              error: y.error?.(row),
            })),
        }))
        .filter(({ points }) => points.length),
    });
  }

  function lines() {
    const errors = COLUMNS.filter(({ error }) => error);
    const head = ["method", ...COLUMNS.map(({ title }) => title), ...errors.map(({ title }) => `${title}: ±`)];
    return [
      head,
      ...table
        .order()
        .map(({ row }) => [
          row.title,
          ...COLUMNS.map(({ key }) => row.values[key] ?? ""),
          ...errors.map(({ error }) => error?.(row) ?? ""),
        ]),
    ];
  }

  mixviz.views(
    "which",
    /** @param {Which} value */ (value) => {
      if (set !== value.key) rows.clear(); // the numbers depend on the pictures
      set = value.key;
      about = value;
      for (const row of value.rows) rows.set(row.name, row);
      const known = value.settings.map(({ key }) => key);
      if (!setting || !known.includes(setting)) setting = known[0];
      if (!chooseSetting.children.length)
        chooseSetting.append(
          ...value.settings.map((one) => make("option", { value: one.key, textContent: t("compare.setting", one) })),
        );
      chooseSetting.value = setting ?? "";
      const {
        pictures: { count: n, masked, own, could, covers },
      } = value;
      told.textContent = t("which.lede", {
        n,
        draws: value.made.draws,
        mixtures: count(value.made.draws * Math.ceil(value.made.batch / n) * n),
        covers: percent(covers),
      });
      if (own) ownPanel.open = true;
      [joined.checked, joined.disabled] = [own > 0, !could];
      joinedNote.textContent = !could
        ? t("which.joined_none")
        : own && masked < n
          ? t("which.joined_saliency")
          : t("which.joined_why");
      draw();
      root().dataset.shown = String(++turn);
    },
  );
}
