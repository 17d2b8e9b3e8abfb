// The planes of all networks side by side, in the same colours.
import { byHumps, make } from "../../lib/dom.js";
import { percentage } from "../../lib/numbers.js";
import { paintPoints } from "../../lib/scatter.js";
import { t } from "../../lib/texts.js";

import { inFolder, laidOf } from "./pictures.js";
import { byCluster, litIn, spotsOf, stylesIn } from "./spots.js";

/** @import { EmbeddingsView, Network, Spot } from "../../types.js" */

/** @type {Spot} a point that is not drawn */
const NOBODY = { x: 0, y: 0, own: true, group: "", title: "", lines: () => [] };

/** @param {EmbeddingsView} view */
export function networksOf(view) {
  const node = make("div", { class: "mv-many" });
  /** @type {{ its: Network, button: HTMLElement, canvas: HTMLCanvasElement, small: HTMLElement }[]} */
  let minis = [];

  function start() {
    minis = view.fixed.networks.map((its) => {
      const [canvas, small] = [make("canvas", { aria: { hidden: "true" } }), make("small")];
      const button = make(
        "button",
        { class: "mv-mini", data: { network: its.name }, on: { click: () => view.change({ network: its.name }) } },
        canvas,
        make("b", {}, ...byHumps(its.title)),
        small,
      );
      return { its, button, canvas, small };
    });
    node.replaceChildren(...minis.map(({ button }) => button));
    new ResizeObserver(draw).observe(node);
  }

  function draw() {
    for (const { its, button, canvas, small } of minis) {
      const points = spotsOf(view, its).flatMap((point) => (point.group === "own" ? [] : [{ ...point, own: false }]));
      const numbers = inFolder(view) ? laidOf(view, its)?.here : its.card;
      const chosen = its.name === view.network().name;
      const side = Math.round(button.clientWidth - 14);
      button.setAttribute("aria-pressed", String(chosen));
      small.textContent = numbers
        ? t("embed.mini", {
            purity: percentage(numbers.purity_percent),
            map: percentage(numbers.retrieval_map_percent),
          })
        : inFolder(view) && !points.length
          ? t("embed.not_yet")
          : "";
      // Clusters differ between networks, so a cluster highlighted in one means nothing in another.
      const lit = byCluster(view, its) && !chosen ? null : litIn(view);
      if (side <= 0) continue;
      paintPoints(canvas, side, points.length ? points : [NOBODY], stylesIn(view, its), lit, { radius: 2.4, edge: 6 });
    }
  }

  return { node, start, draw };
}
