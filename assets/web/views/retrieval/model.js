// What the parts of the retrieval view share: the query, the gallery, the networks in sight and their rankings.
import { listed } from "../../lib/address.js";
import { mixviz } from "../../lib/page.js";
import { named, networkName, t } from "../../lib/texts.js";

/**
 * A network with what its card says.
 *
 * @typedef {{ name: string, title: string, reference: boolean, retrieval: boolean, head: string, objective: string,
 *   stages: number, data: string, strategy: string }} Searcher
 */
/** @typedef {{ done: number, total: number, waits: boolean }} Progress of work on the server */
/**
 * @typedef {{ gallery: string, galleries: { name: string, title: string }[], labels: string[], total: number,
 *   columns: number, url: string, networks: Searcher[], first: string[] }} Gallery
 */
/**
 * A ranking of the gallery, or why there is none.
 *
 * @typedef {{ name: string, message?: string, progress?: Progress, order: number[], similarity: number[],
 *   hit: boolean[] | null, ap: number | null, map: number | null, dimensions: number }} Ranking
 */
/** @typedef {"a" | "b" | number} Asked A, B, or a picture of the gallery by its place */
/**
 * A and B: by gallery, where they are in it, and their classes.
 *
 * @typedef {{ url: string, places: Record<string, (number | null)[]>, labels: Record<string, (string | null)[]> }} Pair
 */

export const SHOWN = 8; // results of a row

export class RetrievalModel {
  /** @type {Gallery} */
  gallery = /** @type {any} */ (null);
  /** @type {Pair} */
  pair = /** @type {any} */ (null);
  /** @type {Asked} */
  query = queryOf(new URLSearchParams(location.search).get("query"));
  /** @type {string[]} */
  chosen = listed(new URLSearchParams(location.search).get("rows"));
  wanted = new URLSearchParams(location.search).get("gallery") ?? ""; // a gallery's name; none: the first
  /** @type {Map<string, Ranking>} */
  rows = new Map();
  looking = ""; // the network whose maps and matches are shown
  /** @type {Asked} the picture whose places are matched with the query's */
  partner = this.query === "b" ? "a" : "b";

  /** What the rankings belong to: a visitor's own networks have the names of those before them. */
  get key() {
    return `${this.keyOf(this.query)}|${mixviz.state.own}|${this.wanted}`;
  }

  /** @param {Asked} asked */
  keyOf(asked) {
    const { a, b, name_a, name_b } = mixviz.state;
    if (typeof asked === "number") return String(asked);
    return asked === "a" ? `${a}|${name_a}` : `${b}|${name_b}`;
  }

  /** The networks in sight, in the order of the zoo. */
  get shown() {
    const { networks, first } = this.gallery;
    const wanted = networks.filter(({ name }) => this.chosen.includes(name));
    return wanted.length ? wanted : networks.filter(({ name }) => first.includes(name));
  }

  /** The network whose maps are shown: one in sight, first those whose head has a map of its own. */
  get looked() {
    const { shown } = this;
    return shown.find(({ name }) => name === this.looking) ?? shown.find(({ head }) => head) ?? shown[0];
  }

  /** The class of the query, if it is known. */
  get label() {
    const { query } = this;
    if (typeof query === "number") return this.gallery.labels[query];
    const at = query === "a" ? 0 : 1;
    const { gallery, labels } = this.gallery;
    const place = this.pair.places[gallery][at];
    return place === null ? this.pair.labels[gallery][at] : labels[place];
  }

  /** The name of a picture. @param {Asked} asked */
  nameOf(asked) {
    if (typeof asked === "number") return this.labelAt(asked);
    return `${asked.toUpperCase()}: ${asked === "a" ? mixviz.state.name_a : mixviz.state.name_b}`;
  }

  /** @param {number} index */
  labelAt(index) {
    return this.className(this.gallery.labels[index]);
  }

  /** A class in the page's language; a folder's as it is called there. @param {string} label */
  className(label) {
    return this.gallery.gallery === "bundled" ? t(`gallery.${label}`) : label;
  }

  /** The picture of the gallery at an index, as a tile of its sheet. @param {number} index */
  tileAt(index) {
    const { url, columns, labels } = this.gallery;
    return { url, index, columns, rows: Math.ceil(labels.length / columns) };
  }

  get queryTile() {
    if (typeof this.query === "number") return this.tileAt(this.query);
    return { url: this.pair.url, index: this.query === "a" ? 0 : 1, columns: 2, rows: 1 };
  }
}

/** @param {string | null} text @returns {Asked} */
function queryOf(text) {
  if (text === "b") return "b";
  return text && /^\d+$/.test(text) ? Number(text) : "a";
}

/** @param {string} data the name of a data set */
const dataTitle = (data) => named(`data.${data}`, data);

/**
 * A network's name. Those trained for retrieval are told apart by head, objective and data, and a visitor's by its
 * name, too.
 *
 * @param {Searcher} its
 */
export function titleOf({ name, title, head, objective, retrieval, data }) {
  const parts = retrieval ? [head, objective] : [];
  if (retrieval && !name.startsWith("own_")) parts.push(dataTitle(data));
  else parts.unshift(networkName(name, title));
  return parts.filter(Boolean).join(" · ");
}

/** How a network was trained, in a line. @param {Searcher} its */
export function factsOf({ reference, strategy, head, objective, stages, data }) {
  const of = dataTitle(data);
  if (reference) return t("find.as_it_was");
  const facts = t("find.trained", {
    data: of || "–",
    strategy: strategy || "–",
    objective: objective || "–",
    head: head || t("find.own_head"),
  });
  const more = [
    ...(stages ? [t("find.stages", { count: stages })] : []),
    ...(["views", "places"].includes(data) ? [t("find.same_thing")] : []),
  ];
  return [facts, ...more].join(" ");
}

/** How far some work on the server is, in a line. @param {Progress} its @param {string} key of the text */
export const working = ({ done, total, waits }, key) =>
  waits || !total ? t("find.waits") : t(key, { done: done.toLocaleString(), total: total.toLocaleString() });
