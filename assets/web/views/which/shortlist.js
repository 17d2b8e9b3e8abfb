// The mixing methods that fit, best first by what was asked, each with a reason and its code; and those left out.
import { codePanel } from "../../lib/code.js";
import { make } from "../../lib/dom.js";
import { language, t } from "../../lib/texts.js";
import { columnsOf, reason } from "./choices.js";

/** @import { Candidate, Measure } from "../../types.js" */

const SHOWN = 5;
const SINGLE = ["none", "erase", "colour", "geometry", "learned policy"]; // families that change one image by itself

/**
 * @param {object} spec
 * @param {Map<string, number | null>} spec.asked
 * @param {(key: string) => Measure} spec.columnOf
 * @param {() => string} spec.setting of the published changes
 * @param {(row: Candidate, button: HTMLElement) => void} spec.open opens the method's card
 * @param {() => void} spec.rest opens the table
 */
export function shortlist({ asked, columnOf, setting, open, rest }) {
  /** @type {Map<string, ReturnType<typeof entryOf>>} */
  const entries = new Map();
  let announced = "";
  const head = make("p", { class: "mv-big" });
  const by = make("p", { class: "mv-small" });
  const live = make("p", { class: "mv-hear", aria: { live: "polite" } });
  const list = make("ol", { class: "mv-shortlist" });
  const others = make("button", { class: "mv-button", on: { click: rest } });
  const left = make("ul", { class: "mv-says-list" });
  const leftHead = make("summary");
  const leftPanel = make("details", { hidden: true, data: { part: "left" } }, leftHead, left);
  const node = make(
    "section",
    { class: "mv-panel", data: { part: "shortlist" }, aria: { label: t("which.shortlist") } },
    head,
    by,
    live,
    list,
    others,
    leftPanel,
  );

  /** What the methods are ordered by: the measured requirements, else the published change. */
  function ordering() {
    const keys = columnsOf(asked);
    return keys.length ? keys : ["published"];
  }

  /**
   * Sorts by the mean of the ranks in each column; a missing value is the last rank.
   *
   * @param {Candidate[]} rows
   */
  function ordered(rows) {
    const total = new Map(rows.map((row) => [row, 0]));
    for (const key of ordering()) {
      const sign = columnOf(key).lower ? 1 : -1;
      /** @param {Candidate} row */
      const level = (row) => (key in row.values ? sign * row.values[key] : Infinity);
      for (const row of rows)
        total.set(row, (total.get(row) ?? 0) + rows.filter((other) => level(other) < level(row)).length);
    }
    return [...rows].sort((a, b) => (total.get(a) ?? 0) - (total.get(b) ?? 0));
  }

  /** @param {string} name */
  function entryOf(name) {
    /** @type {Candidate} */
    let row;
    const code = codePanel("", { label: t("which.lines") });
    const lines = make("div", { id: `mv-code-${name}`, hidden: true }, ...code.nodes);
    const title = make("button", {
      class: "mv-link",
      on: { click: ({ currentTarget }) => open(row, currentTarget) },
    });
    const about = make("small");
    const why = make("p", { class: "mv-small" });
    const show = make("button", {
      class: "mv-button",
      textContent: t("which.code"),
      aria: { expanded: "false", controls: lines.id },
      on: {
        click: ({ currentTarget }) => {
          lines.hidden = !lines.hidden;
          currentTarget.setAttribute("aria-expanded", String(!lines.hidden));
        },
      },
    });
    const node = make("li", { data: { candidate: name } }, make("div", {}, title, about, why), show, lines);
    /** @param {Candidate} now */
    const update = (now) => {
      row = now;
      title.textContent = row.title;
      about.textContent = [t(`family.${row.family}`), row.year || ""].filter(Boolean).join(", ");
      show.setAttribute("aria-label", `${t("which.code")}: ${row.title}`);
      why.textContent = ordering()
        .map((key) => t(key in row.values ? `which.why.${key}` : "which.why.unknown", { value: row.said[key] }))
        .join(" · ");
      code.update(row.lines);
    };
    return { node, update };
  }

  /**
   * @param {Candidate[]} rows those to consider that have been measured
   * @param {boolean} done whether all have been
   * @param {boolean} [changed] by the visitor
   */
  function update(rows, done, changed = false) {
    const mixing = rows.filter(({ family }) => !SINGLE.includes(family));
    const fit = ordered(mixing.filter((row) => !reason(row, asked)));
    const out = mixing.map((row) => reason(row, asked)).filter(Boolean);
    const best = fit.slice(0, SHOWN);
    for (const row of best) {
      if (!entries.has(row.name)) entries.set(row.name, entryOf(row.name));
      entries.get(row.name)?.update(row);
    }
    const nodes = best.flatMap(({ name }) => entries.get(name)?.node ?? []);
    if (nodes.length !== list.children.length || nodes.some((one, i) => one !== list.children[i])) {
      const focused = document.activeElement;
      list.replaceChildren(...nodes);
      if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true });
    }
    head.textContent = t("which.fit", { n: fit.length, all: mixing.length });
    by.textContent = t("which.by", {
      list: new Intl.ListFormat(language(), { type: "conjunction" }).format(
        ordering().map((key) => t(`which.order.${key}`, { setting: setting() })),
      ),
    });
    others.hidden = fit.length <= SHOWN;
    others.textContent = t("which.others", { n: fit.length - SHOWN });
    leftPanel.hidden = !out.length;
    leftHead.textContent = t("which.left", { n: out.length });
    left.replaceChildren(...out.map((text) => make("li", { textContent: text })));
    const said = [head.textContent, ...best.slice(0, 3).map(({ title }) => title)].join(" ");
    // Announced at each change by the visitor and at the end, not at each measurement.
    if ((done || changed) && said !== announced) live.textContent = announced = said;
  }
  return { node, update };
}
