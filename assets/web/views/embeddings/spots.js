// Groups, styles and points of the embeddings view: the stored pictures of a network, or the visitor's folder.
import { percent } from "../../lib/numbers.js";
import { stylesOf } from "../../lib/points.js";
import { className, t } from "../../lib/texts.js";

import { inFolder, keysOf, laidOf, setOf, shownOf, tileAt } from "./pictures.js";

/** @import { EmbeddingsView, Lit, Network, Spot } from "../../types.js" */

/** @param {EmbeddingsView} view @returns {string[]} */
export const classesOf = (view) =>
  inFolder(view) ? (laidOf(view, view.network())?.classes ?? []) : setOf(view).classes;

/** @param {EmbeddingsView} view @param {Network} [its] @returns {number[] | null | undefined} */
export const clustersOf = (view, its = view.network()) => laidOf(view, its)?.clusters;

/** @param {EmbeddingsView} view @param {Network} [its] */
export const byCluster = (view, its = view.network()) => view.colour === "cluster" && !!clustersOf(view, its);

/** @param {EmbeddingsView} view @param {Network} [its] */
export function stylesIn(view, its = view.network()) {
  if (byCluster(view, its)) return stylesOf(Math.max(...(clustersOf(view, its) ?? [])) + 1);
  if (inFolder(view)) return stylesOf(classesOf(view).length);
  const { classes, kinds } = setOf(view, its);
  return stylesOf(classes.length, kinds);
}

/** What is highlighted. @param {EmbeddingsView} view @returns {Lit} */
export const litIn = (view) => {
  const wanted = view.hovered ?? view.pinned;
  return wanted === null ? null : (point) => point.group === wanted;
};

/** @param {EmbeddingsView} view @param {number} label */
export function nameOf(view, label) {
  if (label < 0) return t("embed.no_class");
  return inFolder(view) ? classesOf(view)[label] : className(classesOf(view)[label]);
}

const FEW = 60; // pictures of a folder that are drawn as pictures, not as marks

/** All points of a network's plane. @param {EmbeddingsView} view @param {Network} its @returns {Spot[]} */
export function spotsOf(view, its) {
  const laid = laidOf(view, its);
  const flat = laid?.[view.plane()] ?? laid?.pca;
  if (!flat) return [];
  const folder = inFolder(view);
  /** @type {number[]} */
  const labels = folder ? laid.label : setOf(view, its).label;
  const clusters = clustersOf(view, its);
  const spots = labels.map((label, i) => {
    const key = `${folder ? "own" : "stored"}:${i}`;
    const cluster = clusters?.[i] ?? -1;
    const tile = folder ? view.own?.sheets[i] : tileAt(view, its, i);
    return {
      key,
      x: flat[2 * i],
      y: flat[2 * i + 1],
      label,
      cluster,
      group: byCluster(view, its) ? cluster : label,
      own: folder && labels.length <= FEW,
      title: folder ? `${nameOf(view, label)} · ${shownOf(view, key).title}` : nameOf(view, label),
      tile,
      lines: () => [
        ...(byCluster(view, its) && cluster >= 0 ? [t("embed.in_cluster", { k: cluster + 1 })] : []),
        ...(tile ? [] : [t("embed.not_shown_mark")]),
      ],
    };
  });
  return [...spots, ...placedSpots(view, its)];
}

/** A, B and the bundled photographs in a plane. @param {EmbeddingsView} view @param {Network} its @returns {Spot[]} */
function placedSpots(view, its) {
  const guessed = view.plane() === "tsne";
  return keysOf(view)
    .filter((key) => (key.startsWith("photo:") ? view.visible.photographs : view.visible.ab && key.length === 1))
    .reverse() // A and B lie on top
    .flatMap((key) => {
      const { title, letter, tile, placed } = shownOf(view, key);
      const found = inFolder(view) ? view.own?.laid[its.name]?.beside[key === "a" ? 0 : 1] : placed?.[its.name];
      const place = found?.[view.plane()];
      if (!place) return [];
      return [
        {
          key,
          own: true,
          guessed,
          x: place[0],
          y: place[1],
          group: "own",
          title: letter ? `${letter}: ${title}` : title,
          letter,
          tile,
          lines: () => [...predicted(view, its, key), ...(guessed ? [t("embed.guessed")] : [])],
        },
      ];
    });
}

/** What a network takes a picture for. @param {EmbeddingsView} view @param {Network} its @param {string} key */
export function predicted(view, its, key) {
  const found = shownOf(view, key).placed?.[its.name];
  if (!found) return [];
  const name = className(setOf(view, its).classes[found.class]);
  return [t("embed.takes_for", { name, share: percent(found.probability) })];
}

/** The entries of the legend by kind. @param {EmbeddingsView} view */
export function entriesOf(view) {
  const styles = stylesIn(view);
  if (byCluster(view)) {
    const entries = styles.map((style, group) => ({ group, style, text: clusterSays(view, group) }));
    return [{ kind: "", entries }];
  }
  const kinds = inFolder(view) ? [] : setOf(view).kinds;
  const all = classesOf(view).map((_, group) => ({ group, style: styles[group], text: nameOf(view, group) }));
  return [...new Set(all.map(({ group }) => kinds[group] ?? ""))].map((kind) => ({
    kind,
    entries: all.filter(({ group }) => (kinds[group] ?? "") === kind),
  }));
}

/** @param {EmbeddingsView} view @param {number} k */
function clusterSays(view, k) {
  const clusters = clustersOf(view) ?? [];
  const { label } = inFolder(view) ? laidOf(view, view.network()) : setOf(view);
  const inside = /** @type {number[]} */ (label).filter((_, i) => clusters[i] === k);
  /** @type {Record<number, number>} */
  const counts = {};
  for (const one of inside) counts[one] = (counts[one] ?? 0) + 1;
  const [most, count] = Object.entries(counts).sort((x, y) => y[1] - x[1])[0] ?? [-1, 0];
  return t("embed.cluster", { k: k + 1, name: nameOf(view, +most), count, n: inside.length });
}
