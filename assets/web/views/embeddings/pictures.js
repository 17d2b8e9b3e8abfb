// The pictures of the embeddings view that may be shown: A, B, the bundled photographs, and the visitor's folder.
import { mixviz } from "../../lib/page.js";
import { named } from "../../lib/texts.js";

/** @import { EmbeddingsView, Network, Shown } from "../../types.js" */

/** @param {EmbeddingsView} view */
export const inFolder = (view) => !!view.own?.shown;

/** @param {EmbeddingsView} view @param {Network} [its] */
export const setOf = (view, its = view.network()) => view.fixed.sets[its.set];

/** The name of a network's data set. @param {EmbeddingsView} view @param {Network} its */
export const dataOf = (view, its) => named(`data.${setOf(view, its).data}`, setOf(view, its).data);

/**
 * What is drawn of a network: its stored embedding, or that of the folder.
 *
 * @param {EmbeddingsView} view
 * @param {Network} its
 */
export const laidOf = (view, its) => (inFolder(view) ? view.own?.laid[its.name] : its);

/** @param {string} key */
export const indexOf = (key) => Number(key.split(":")[1]);

/**
 * The keys of all pictures that may be shown. A bundled photograph that is A or B counts once.
 *
 * @param {EmbeddingsView} view
 */
export function keysOf(view) {
  const { a, b } = view.value.bundled;
  const more = inFolder(view)
    ? (view.own?.names ?? []).map((_, i) => `own:${i}`)
    : view.photos.photographs.flatMap((_, i) => (i === a || i === b ? [] : [`photo:${i}`]));
  return ["a", "b", ...more];
}

/** @param {EmbeddingsView} view @param {string} key @returns {Shown} */
export function shownOf(view, key) {
  const i = indexOf(key);
  if (key.startsWith("own:") && view.own)
    return { key, title: view.own.names[i].split("/").at(-1) ?? "", tile: view.own.sheets[i] };
  if (key.startsWith("photo:")) {
    const { stem, placed } = view.photos.photographs[i];
    const tile = { url: view.photos.url, index: i, columns: 20, rows: 1 };
    return { key, title: mixviz.labels[stem] ?? stem, tile, placed };
  }
  const at = key === "a" ? 0 : 1;
  return {
    key,
    title: view.value.names[at],
    letter: "AB"[at],
    tile: { url: view.value.urls[at], index: 0, columns: 1, rows: 1 },
    placed: view.value.placed[key],
  };
}

/**
 * A thumbnail of a stored picture, where the data set is at hand.
 *
 * @param {EmbeddingsView} view
 * @param {Network} its
 * @param {number} index
 */
export const tileAt = (view, its, index) =>
  view.thumbs?.url && view.thumbs.set === its.set ? { ...view.thumbs, index } : null;
