// Heat maps in colours, on one of three scales or as the difference from one network's.
import { endsOf, paintDifference, paintHeat, shadesOf, valuesOf } from "../../lib/heat.js";
import { t } from "../../lib/texts.js";
import { CENTRE } from "./model.js";

/** @import { DrawnRow } from "../../types.js" */
/** @import { LookModel } from "./model.js" */

const DIFFERENCE = "PuOr_r"; // its table of colours

/** @param {number} x */
const short = (x) => String(+x.toPrecision(3));

/** @param {LookModel} model @param {Record<string, Uint8Array>} tables colours by name */
export function painterOf(model, tables) {
  let ends = [0, 1];
  let limit = 0; // the largest difference
  /** @type {DrawnRow | undefined} the network that the others are compared with */
  let reference;
  /** @type {Map<string, Float32Array[]>} */
  const less = new Map();

  /** Takes the ranges of the maps in sight. */
  function measure() {
    const { networks, show } = model;
    ends = endsOf(
      networks.flatMap((row) => row.looks),
      show.scale,
    );
    less.clear();
    limit = 0;
    reference = networks.find((row) => row.name === show.to);
    if (!reference) return;
    const others = reference.looks.map((look) => valuesOf(look, show.scale, ends));
    for (const row of networks.filter(({ side }) => side === reference?.side)) {
      const maps = row.looks.map((look, slot) =>
        valuesOf(look, show.scale, ends).map((x, i) => x - others[slot][i]),
      );
      less.set(row.name, maps);
      for (const map of maps) for (const x of map) limit = Math.max(limit, Math.abs(x));
    }
  }

  /** @param {HTMLCanvasElement} canvas @param {DrawnRow} row @param {number} slot */
  function paint(canvas, row, slot) {
    const difference = less.get(row.name)?.[slot];
    if (difference)
      paintDifference(
        canvas,
        row.side,
        difference.map((x) => (limit ? x / limit : 0)),
        tables[DIFFERENCE],
      );
    else {
      const scale = row.name === CENTRE ? "image" : model.show.scale;
      paintHeat(canvas, row.side, shadesOf(row.looks[slot], scale, ends), tables[model.show.colours]);
    }
  }

  /** What the key of the colours says: its table, its two ends, and a sentence. */
  function key() {
    const { scale, colours } = model.show;
    if (reference) {
      const name = model.titleOf(reference);
      const value = short(limit);
      return {
        table: tables[DIFFERENCE],
        low: t("look.more", { name, value }),
        high: t("look.more_others", { value }),
        why: t("look.difference_why", { name }),
      };
    }
    const [low, high] = scale === "image" ? [t("look.lowest"), t("look.highest")] : ends.map(short);
    return { table: tables[colours], low, high, why: t(`look.scale.${scale}.why`) };
  }
  return { measure, paint, key };
}
