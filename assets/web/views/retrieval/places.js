// Where a network's pooling looks in the query: attention beside Grad-CAM and the centre, and NetVLAD's clusters.
import { make } from "../../lib/dom.js";
import { share } from "../../lib/numbers.js";
import { colourOf, svg } from "../../lib/svg.js";
import { className, t } from "../../lib/texts.js";

import { titleOf } from "./model.js";

/** @import { RetrievalModel, Searcher } from "./model.js" */
/**
 * @typedef {{ key: string, picture: string, px_ap: number | null, inside: number | null, of?: string,
 *   class?: string }} PlaceMap
 */
/**
 * @typedef {{ network: string, learned: boolean, picture: string, maps: PlaceMap[], chance: number | null,
 *   clusters: { grid: number[][], count: number } | null, message?: string }} Places
 */

const COLOURS = 12; // further clusters are drawn in one grey

/** @param {RetrievalModel} model @param {() => void} changed */
export function placesOf(model, changed) {
  /** @type {Places | null} */
  let value = null;
  let lit = -1; // the cluster that stands out
  const choose = make("select", {
    id: "mv-find-network",
    on: {
      change: ({ target }) => {
        model.looking = target.value;
        changed();
      },
    },
  });
  const lead = make("p", { class: "mv-told", aria: { role: "status" } });
  const maps = make("div", { class: "mv-find-maps" });
  const note = make("p", { class: "mv-small" });
  const clusters = make("div", { class: "mv-find-clusters" });
  const panel = make(
    "details",
    { class: "mv-panel", data: { part: "places" }, on: { toggle: changed } },
    make("summary", { textContent: t("find.places") }),
    make(
      "p",
      { class: "mv-find-choice" },
      make("label", { htmlFor: choose.id, textContent: t("embed.network") }),
      choose,
    ),
    lead,
    maps,
    note,
    clusters,
  );

  /** @param {PlaceMap} map */
  function figure(map) {
    const key = map.key === "attention" && !value?.learned ? "length" : map.key;
    const of = model.gallery.networks.find(({ name }) => name === map.of);
    const title = t(`find.map_${key}`, { name: className(map.class ?? ""), network: of ? titleOf(of) : "" });
    const numbers =
      map.px_ap === null || map.inside === null
        ? []
        : [make("span", { textContent: t("find.inside", { px_ap: share(map.px_ap), inside: share(map.inside) }) })];
    return make(
      "figure",
      { data: { map: map.key } },
      make("img", { src: map.picture, alt: title, width: 224, height: 224 }),
      make("figcaption", {}, make("b", { textContent: title }), ...numbers),
    );
  }

  /** @param {{ grid: number[][], count: number }} found */
  function drawClusters({ grid, count }) {
    const flat = grid.flat();
    const sizes = new Map([...new Set(flat)].map((one) => [one, flat.filter((other) => other === one).length]));
    const order = [...sizes.keys()].sort((one, other) => (sizes.get(other) ?? 0) - (sizes.get(one) ?? 0));
    const hue = (/** @type {number} */ one) =>
      order.indexOf(one) < COLOURS ? colourOf(order.indexOf(one)) : "var(--neutral-400)";
    const [rows, columns] = [grid.length, grid[0].length];
    const picture = svg("svg", {
      viewBox: `0 0 ${columns} ${rows}`,
      role: "img",
      "aria-label": t("find.clusters_alt", { count: order.length, all: count }),
    });
    picture.append(
      svg("image", { href: value?.picture ?? "", width: columns, height: rows, preserveAspectRatio: "none" }),
      ...flat.map((one, i) =>
        svg("rect", {
          x: i % columns,
          y: Math.floor(i / columns),
          width: 1,
          height: 1,
          fill: hue(one),
          "fill-opacity": lit < 0 ? 0.5 : lit === one ? 0.75 : 0.08,
        }),
      ),
    );
    const legend = order.slice(0, COLOURS).map((one) => {
      const key = make("i", { class: "mv-find-key" });
      key.style.background = hue(one);
      return make(
        "button",
        {
          class: "mv-chip",
          aria: { pressed: String(lit === one) },
          on: {
            click: () => {
              lit = lit === one ? -1 : one;
              draw();
            },
          },
        },
        key,
        t("find.cluster", { number: one + 1, share: share((sizes.get(one) ?? 0) / flat.length) }),
      );
    });
    clusters.replaceChildren(
      make("h3", { textContent: t("find.clusters") }),
      make("p", { class: "mv-small", textContent: t("find.clusters_why", { count: order.length, all: count }) }),
      make("div", { class: "mv-find-owned" }, picture, make("div", { class: "mv-chips" }, ...legend)),
    );
  }

  function leadOf() {
    if (!value) return t("find.searching");
    if (value.clusters) return t("find.places_clusters");
    return value.message ?? t(value.learned ? "find.places_learned" : "find.places_length");
  }

  function noteOf() {
    if (!value || value.message) return "";
    return value.chance === null ? t("find.no_object") : t("find.chance", { share: share(value.chance) });
  }

  function draw() {
    choose.replaceChildren(
      ...model.shown.map((/** @type {Searcher} */ its) =>
        make("option", { value: its.name, textContent: titleOf(its), selected: its === model.looked }),
      ),
    );
    lead.textContent = leadOf();
    maps.replaceChildren(...(value?.maps?.map(figure) ?? []));
    note.textContent = noteOf();
    clusters.replaceChildren();
    if (value?.clusters) drawClusters(value.clusters);
  }

  /** @param {Places | null} answer */
  function take(answer) {
    if (answer?.network !== value?.network) lit = -1;
    value = answer;
    draw();
  }
  return { panel, take, draw, open: () => panel.open };
}
