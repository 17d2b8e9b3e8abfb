// What the server tells of stored searches, and numbers of a search as text.
import { language, named, t } from "../../lib/texts.js";

/**
 * @typedef {object} Trial
 * @property {number} number from 1
 * @property {string} state
 * @property {number | null} value
 * @property {number | null} last the value of the last epoch, of a trial that ended early
 * @property {number} at seconds since the search began
 * @property {number | null} parent the trial that it goes on from
 * @property {boolean} nothing whether it is that of no policy
 * @property {string[]} words its sequences
 */
/** @typedef {{ share: number, words: string }} SequenceWords */
/**
 * @typedef {object} StageWords
 * @property {number} until share of the training
 * @property {SequenceWords[]} sequences
 * @property {Record<string, { share: number, options: string[] }>} uses by method
 */
/** @typedef {{ mean: number, low: number | null, high: number | null, count: number }} Interval */
/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {number} mean
 * @property {number[]} accuracies of each seed
 * @property {{ seeds: Interval, pictures: Interval } | null} against none
 * @property {boolean} wins
 * @property {boolean} loses
 */
/**
 * @typedef {object} Verdict
 * @property {string} sentence
 * @property {string[]} remarks
 * @property {number} seeds
 * @property {{ classes: number, train: number, val: number }} pictures
 * @property {string} command
 * @property {Record<string, string> | null} made
 * @property {Contestant[]} rows
 */
/**
 * @typedef {object} Stored a search
 * @property {string} name
 * @property {Record<string, string>} card
 * @property {string} strategy
 * @property {string} score
 * @property {string} unit
 * @property {boolean} minimize
 * @property {number | null} best
 * @property {number | null} none the value of no policy
 * @property {Trial[]} trials
 * @property {StageWords[]} stages
 * @property {{ classes: number, train: number, val: number } | null} pictures
 * @property {Record<string, any> | null} run
 * @property {Verdict | null} verdict
 * @property {string} started when a visitor started it on the page, in ISO 8601; empty for others
 * @property {"running" | "stopped" | "failed" | "done"} state
 */
/**
 * @typedef {object} Running the search that runs
 * @property {string} name
 * @property {boolean} mine
 * @property {boolean} stopping
 * @property {"starting" | "trials" | "judge"} phase
 * @property {number} done trials, or trainings of the judge
 * @property {number | null} total
 * @property {number | null} left seconds
 */
/**
 * @typedef {object} Live what the server tells of searches that visitors start
 * @property {string} [message] an error
 * @property {string} refusal
 * @property {{ key: string, title: string }[]} sets
 * @property {{ name: string, title: string, why: string }[]} strategies
 * @property {[number, number]} minutes
 * @property {number} pictures at most
 * @property {Running | null} running
 * @property {string | null} stopped the visitor's search that can go on
 * @property {string} error how the visitor's last search ended
 * @property {string} [version]
 * @property {Stored} [search] the one that is watched, where it has changed
 */

/** A duration with its unit. @param {number} seconds */
export const duration = (seconds) => {
  const [size, unit] = unitOf(seconds);
  return `${+(seconds / size).toPrecision(2)}\u00a0${unit}`;
};

/** The unit that suits a duration: its seconds and its name. @param {number} seconds @returns {[number, string]} */
export const unitOf = (seconds) => (seconds < 120 ? [1, "s"] : seconds < 7200 ? [60, "min"] : [3600, "h"]);

/** @param {Stored} search @param {number | null} value */
export const valued = ({ unit }, value) =>
  value === null ? "–" : `${+value.toPrecision(4)}${unit.replace(" ", "\u00a0")}`;

/** A search's title: its card's, or how and when a visitor started it. @param {Stored} search */
export function titleOf({ card, name, strategy, started }) {
  if (card.title || !started) return card.title ?? name;
  const date = new Date(started).toLocaleString(language(), { dateStyle: "medium", timeStyle: "short" });
  return t("live.chip", { strategy: named(`search.strategy.${strategy}`, strategy), date });
}

/** What a search scores, in the page's language. @param {Stored} search */
export const scoreOf = ({ unit, minimize }) =>
  t(unit.trim() === "%" ? "search.score.accuracy" : minimize ? "search.score.loss" : "search.score.other");
