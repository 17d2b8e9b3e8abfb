// The pictures most similar to one of the embeddings view: as pictures where they may be shown, else as class marks.
import { make, press } from "../../lib/dom.js";
import { stylesOf } from "../../lib/points.js";
import { markOf, tileOf } from "../../lib/scatter.js";
import { className, t } from "../../lib/texts.js";

import { dataOf, inFolder, indexOf, keysOf, setOf, shownOf, tileAt } from "./pictures.js";
import { predicted } from "./spots.js";

/** @import { EmbeddingsView, Neighbour, Network } from "../../types.js" */

const NEAREST = 5;

/**
 * Cosine similarity of two pictures of A, B and the bundled photographs; undefined until the network has answered.
 *
 * @param {EmbeddingsView} view
 * @param {string} x
 * @param {string} y
 * @param {string} network
 */
function similarity(view, x, y, network) {
  /** @param {string} key */
  const rows = (key) =>
    key.length === 1 ? view.value.similarity[key] : view.photos.photographs[indexOf(key)].similarity;
  if (y.startsWith("photo:")) return rows(x)[network]?.[indexOf(y)];
  if (x.startsWith("photo:")) return rows(y)[network]?.[indexOf(x)];
  return view.value.between[network]?.[0];
}

/**
 * The pictures that may be shown, nearest first.
 *
 * @param {EmbeddingsView} view
 * @param {string} key
 * @param {Network} its
 * @returns {Neighbour[]}
 */
function nearestShown(view, key, its) {
  /** @type {[string, number][]} */
  let found = [];
  if (inFolder(view)) {
    const laid = view.own?.laid[its.name];
    const near = key.length === 1 ? laid?.beside["ab".indexOf(key)] : laid?.near[indexOf(key)];
    found = (near?.near ?? []).map((/** @type {number} */ index, /** @type {number} */ i) => [
      `own:${index}`,
      near.similarity[i],
    ]);
  } else
    found = keysOf(view)
      .filter((other) => other !== key)
      .flatMap((other) => {
        const alike = similarity(view, key, other, its.name);
        return alike === undefined ? [] : [[other, alike]];
      });
  return found
    .sort((one, other) => other[1] - one[1])
    .slice(0, NEAREST)
    .map(([other, similarity]) => {
      const { title, tile } = shownOf(view, other);
      return { key: other, title, tile, similarity };
    });
}

/**
 * The stored pictures, nearest first.
 *
 * @param {EmbeddingsView} view
 * @param {string} key
 * @param {Network} its
 * @returns {Neighbour[]}
 */
function nearestStored(view, key, its) {
  const found = inFolder(view) ? null : shownOf(view, key).placed?.[its.name];
  const { classes, kinds, label } = setOf(view, its);
  const styles = stylesOf(classes.length, kinds);
  return (found?.near ?? []).map((/** @type {number} */ index, /** @type {number} */ i) => ({
    key: `stored:${index}`,
    title: className(classes[label[index]]),
    similarity: found.similarity[i],
    tile: tileAt(view, its, index),
    style: styles[label[index]],
  }));
}

/** @param {Neighbour[]} neighbours */
const row = (neighbours) =>
  make(
    "div",
    { class: "mv-five" },
    ...neighbours.map(({ title, similarity, tile, style }) =>
      make(
        "figure",
        {},
        tile ? tileOf(tile, 96) : make("span", { class: "mv-thumb mv-blank" }, markOf(style, 34)),
        make("figcaption", {}, title, make("b", { textContent: similarity.toFixed(2) })),
      ),
    ),
  );

/**
 * Both rows of a network, each with its heading.
 *
 * @param {EmbeddingsView} view
 * @param {string} key
 * @param {Network} its
 * @param {"h3" | "h4"} level
 */
function rows(view, key, its, level) {
  const [shown, stored] = [nearestShown(view, key, its), nearestStored(view, key, its)];
  const placed = shownOf(view, key).placed?.[its.name];
  /** @param {string} textContent @param {Neighbour[]} neighbours */
  const headed = (textContent, neighbours) =>
    neighbours.length ? [make(level, { textContent }), row(neighbours)] : [];
  return [
    ...headed(t(inFolder(view) ? "embed.among_own" : "embed.among_shown"), shown),
    ...headed(t("embed.among_stored", { data: dataOf(view, its) }), stored),
    ...(placed?.not_placed ? [make("p", { class: "mv-small", textContent: placed.not_placed })] : []),
  ];
}

/** @param {EmbeddingsView} view */
export function nearestOf(view) {
  const choice = make("div", { class: "mv-chips", aria: { role: "group", label: t("embed.subject") } });
  const subject = make("div", { class: "mv-subject" });
  const found = make("div", { class: "mv-nears" });
  const note = make("p", { class: "mv-small" });
  const panel = make(
    "section",
    { class: "mv-panel", data: { part: "nearest" } },
    make("div", { class: "mv-near-head" }, make("h2", { textContent: t("embed.nearest") }), choice),
    subject,
    found,
    note,
  );
  const networks = make("div", { class: "mv-near-networks" });

  /** The picture whose neighbours are shown: the one that is pointed at, else the one that was chosen. */
  const current = () => {
    const known = keysOf(view);
    return [view.pointed, view.subject].find((key) => key && known.includes(key)) ?? "a";
  };

  /** Its name. */
  const name = () => {
    const { title, letter } = shownOf(view, current());
    return letter ? `${letter}: ${title}` : title;
  };

  /** @param {string} key */
  function choose(key) {
    view.subject = key;
    view.draw();
  }

  function draw() {
    const key = current();
    const its = view.network();
    const keys = [...new Set(["a", "b", key])];
    choice.replaceChildren(
      ...keys.map((one) => {
        const { title, letter } = shownOf(view, one);
        return make("button", {
          class: "mv-chip",
          data: { subject: one },
          textContent: letter ? `${letter}: ${title}` : title,
          on: { click: () => choose(one) },
        });
      }),
    );
    press(choice, "subject", key);
    const { title, tile } = shownOf(view, key);
    subject.replaceChildren(
      tileOf(tile, 96),
      make("p", { class: "mv-told" }, make("b", { textContent: title }), ...predicted(view, its, key)),
    );
    found.dataset.near = its.name;
    found.replaceChildren(...rows(view, key, its, "h3"));
    const hidden = !inFolder(view) && !view.thumbs?.url;
    note.textContent = [hidden ? t("embed.not_shown") : "", t("embed.similarity_is")].filter(Boolean).join(" ");
  }

  /** The same for every network. */
  function drawNetworks() {
    networks.replaceChildren(
      ...view.fixed.networks.map((its) =>
        make(
          "article",
          { data: { near: its.name } },
          make("h3", { textContent: its.title }),
          ...rows(view, current(), its, "h4"),
        ),
      ),
    );
  }

  /** Lines of the plane from the picture to its nearest. */
  const links = () => {
    const key = current();
    const its = view.network();
    return { from: key, to: [...nearestShown(view, key, its), ...nearestStored(view, key, its)].map((one) => one.key) };
  };

  return { panel, networks, draw, drawNetworks, choose, current, name, links };
}
