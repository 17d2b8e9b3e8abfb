// A policy that changes over a training: how often each method is used in each of its stages.
import { make } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { t } from "../../lib/texts.js";

/** @import { Stored } from "./model.js" */

/** @param {Stored} search */
export function schedulePanel({ stages, run }) {
  const methods = [...new Set(stages.flatMap(({ uses }) => Object.keys(uses)))];
  const starts = [0, ...stages.map(({ until }) => until)];
  /** @param {number} i */
  const span = (i) =>
    run
      ? t("search.epochs", { from: Math.round(starts[i] * run.epochs) + 1, to: Math.round(starts[i + 1] * run.epochs) })
      : t("search.part", { from: percent(starts[i]), to: percent(starts[i + 1]) });
  const widths = stages.map((_, i) => make("col", { style: `width: ${80 * (starts[i + 1] - starts[i])}%` }));
  const head = stages.map((_, i) => make("th", { scope: "col", textContent: span(i) }));
  const rows = methods.map((method) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", textContent: method }),
      ...stages.map(({ uses }) => {
        const use = uses[method];
        if (!use) return make("td", { textContent: "–" });
        const cell = make(
          "td",
          { class: "mv-used" },
          make("b", { textContent: percent(use.share) }),
          ...use.options.map((text) => make("small", { textContent: text })),
        );
        cell.style.setProperty("--mv-share", percent(0.08 + 0.42 * use.share).replace("\u00a0", ""));
        return cell;
      }),
    ),
  );
  return make(
    "section",
    { class: "mv-panel", data: { part: "schedule" }, aria: { label: t("search.schedule") } },
    make("h2", { textContent: t("search.schedule") }),
    make("p", { class: "mv-small", textContent: t("search.schedule_why") }),
    make(
      "div",
      { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t("search.schedule") } },
      make(
        "table",
        { class: "mv-schedule" },
        make("colgroup", {}, make("col", { style: "width: 20%" }), ...widths),
        make("thead", {}, make("tr", {}, make("th", { scope: "col", textContent: t("search.method") }), ...head)),
        make("tbody", {}, ...rows),
      ),
    ),
  );
}
