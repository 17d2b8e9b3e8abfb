// The trials of a search over the time that it took, with the best so far and no policy.
import { plotOf } from "../../lib/plot.js";
import { INK } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { scoreOf, unitOf, valued } from "./model.js";

/** @import { PlotSpec, Point, Series } from "../../types.js" */
/** @import { Stored, Trial } from "./model.js" */

/** @param {Stored} first @param {(number: number) => void} choose */
export function trialsPlot(first, choose) {
  let search = first;
  const plot = plotOf(specOf(search, choose));
  /** Marks the time of a trial; none if there is no such trial. @param {number} number */
  function mark(number) {
    const at = search.trials.find((one) => one.number === number)?.at;
    at === undefined ? plot.update({ at }) : plot.mark(at / sizeOf(search)[0]);
  }
  /** Draws the search anew, which has gone on, and marks a trial. @param {Stored} now @param {number} number */
  function update(now, number) {
    search = now;
    const at = search.trials.find((one) => one.number === number)?.at;
    plot.update({ ...specOf(search, choose), at: at === undefined ? at : at / sizeOf(search)[0] });
  }
  return { node: plot.node, mark, update };
}

/** @param {Stored} search */
const sizeOf = ({ trials }) => unitOf(trials.at(-1)?.at ?? 0);

/**
 * @param {Stored} search
 * @param {(number: number) => void} choose
 * @returns {Partial<PlotSpec>}
 */
function specOf(search, choose) {
  const { trials, minimize, none } = search;
  const [size, unit] = sizeOf(search);
  const valuedTrials = trials.filter(({ value }) => value !== null);
  const early = trials.filter(({ value, last }) => value === null && last !== null);
  const failed = trials.length - valuedTrials.length - early.length;
  /** @param {Trial} trial @returns {Point} */
  const point = ({ number, at, value, last }) => ({
    x: at / size,
    y: value ?? last ?? NaN,
    key: String(number),
    title: t("search.trial_n", { n: number }),
  });
  /** The line of the best so far, in steps. @returns {Point[]} */
  function bestLine() {
    /** @type {Point[]} */
    const line = [];
    let best = NaN;
    for (const { at, value } of valuedTrials) {
      const next = /** @type {number} */ (value);
      const better = Number.isNaN(best) || (minimize ? next < best : next > best);
      if (!better) continue;
      if (!Number.isNaN(best)) line.push({ x: at / size, y: best });
      line.push({ x: at / size, y: next });
      best = next;
    }
    const end = trials.at(-1);
    return end && line.length ? [...line, { x: end.at / size, y: best }] : line;
  }
  /** @type {Series[]} */
  const series = [
    {
      key: "trial",
      title: t("search.trial"),
      index: 0,
      mark: "circle",
      line: false,
      size: 5,
      points: valuedTrials.filter(({ nothing }) => !nothing).map(point),
    },
    {
      key: "nothing",
      title: t("search.none_trials"),
      colour: INK,
      mark: "square",
      line: false,
      size: 5,
      points: valuedTrials.filter(({ nothing }) => nothing).map(point),
    },
    {
      key: "early",
      title: t("search.early"),
      index: 0,
      mark: "circle",
      line: false,
      hollow: true,
      size: 4,
      points: early.map(point),
    },
    { key: "best", title: t("search.best"), index: 2, line: true, marks: false, pick: false, points: bestLine() },
  ];
  const order = t(minimize ? "search.lower" : "search.higher");
  return {
    name: `search-${search.name}`,
    title: t("search.trials"),
    x: { label: t("search.time"), unit: `\u00a0${unit}`, low: 0 },
    y: { label: `${scoreOf(search)} (${order})`, unit: search.unit.replace(" ", "\u00a0") },
    height: 300,
    dims: false,
    rules: none === null ? [] : [{ y: none, title: `${t("search.none")} ${valued(search, none)}` }],
    series: series.filter(({ points }) => points.length),
    note: [t("search.best_is"), ...(failed ? [t("search.failed", { n: failed })] : [])].join(" "),
    pick: (_, { key }) => key && choose(Number(key)),
    tip: (_, { key }) => {
      const words = trials.find(({ number }) => String(number) === key)?.words ?? [];
      return words.flatMap((text) => [text, document.createElement("br")]);
    },
  };
}
