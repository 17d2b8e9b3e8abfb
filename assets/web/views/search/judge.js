// The judge's numbers: accuracies with a dot for each seed, and differences to none with their intervals.
import { make } from "../../lib/dom.js";
import { signed } from "../../lib/numbers.js";
import { plotOf } from "../../lib/plot.js";
import { INK } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";

/** @import { Contestant, Verdict } from "./model.js" */
/** @import { Point } from "../../types.js" */

const BESIDE = 0.12; // of the room of a name: what belongs together stands side by side

/** @param {Verdict} verdict */
export function judgePanel({ rows, remarks }) {
  return make(
    "section",
    { class: "mv-panel", data: { part: "judge" }, aria: { label: t("search.judge") } },
    make("h2", { textContent: t("search.judge") }),
    make("div", { class: "mv-plots" }, accuracies(rows).node, differences(rows).node),
    ...(remarks.length
      ? [make("ul", { class: "mv-says-list" }, ...remarks.map((text) => make("li", { textContent: text })))]
      : []),
    make("p", { class: "mv-small", textContent: t("search.judge_why") }),
  );
}

/** @param {Contestant[]} rows */
function accuracies(rows) {
  /** @param {Contestant} row @param {number} i @returns {Point[]} */
  const seeds = ({ name, accuracies }, i) =>
    accuracies.map((y, n) => ({ x: i + BESIDE, y, title: t("search.seed_n", { name, n }) }));
  return plotOf({
    name: "judge-accuracy",
    title: t("search.accuracy"),
    x: { label: t("search.contestant"), names: rows.map(({ name }) => name) },
    y: { label: t("search.top1"), unit: "\u00a0%", format: (value) => value.toFixed(1) },
    dims: false,
    rules: [{ y: rows[0].mean, title: rows[0].name }],
    series: [
      {
        key: "mean",
        title: t("search.mean"),
        index: 0,
        mark: "diamond",
        line: false,
        size: 8,
        points: rows.map(({ name, mean }, i) => ({ x: i - BESIDE, y: mean, title: name })),
      },
      {
        key: "seed",
        title: t("search.seed"),
        colour: INK,
        mark: "circle",
        line: false,
        hollow: true,
        size: 3.5,
        points: rows.flatMap(seeds),
      },
    ],
  });
}

/** @param {Contestant[]} rows */
function differences(rows) {
  const compared = rows.filter(({ against }) => against);
  const kinds = /** @type {const} */ (["seeds", "pictures"]);
  return plotOf({
    name: "judge-difference",
    title: t("search.difference"),
    x: { label: t("search.contestant"), names: compared.map(({ name }) => name) },
    y: { label: t("search.points"), format: (value) => signed(value, 1) },
    dims: false,
    rules: [{ y: 0, title: rows[0].name }],
    series: kinds.map((kind, k) => ({
      key: kind,
      title: t(`search.interval_${kind}`),
      index: 2 * k,
      mark: k ? "square" : "circle",
      line: false,
      points: compared.flatMap(({ name, against }, i) => {
        const found = against?.[kind];
        if (!found) return [];
        const { mean, low, high } = found;
        const told = low === null || high === null ? "" : t("search.interval", ends(low, high));
        return [
          {
            x: i + (2 * k - 1) * BESIDE,
            y: mean,
            low: low ?? undefined,
            high: high ?? undefined,
            title: [name, told].filter(Boolean).join(", "),
          },
        ];
      }),
    })),
  });
}

/** @param {number} low @param {number} high */
const ends = (low, high) => ({ low: signed(low, 1), high: signed(high, 1) });
