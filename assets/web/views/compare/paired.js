// Differences from the baseline, seed by seed: a list for each measure, with intervals and what could have been seen.
import { make } from "../../lib/dom.js";
import { signed, tenth } from "../../lib/numbers.js";
import { t } from "../../lib/texts.js";
import { columnName, rowName } from "./zoo_table.js";

/** @import { Zoo } from "../../types.js" */

/**
 * @param {Zoo} value
 * @returns {Node[]} nothing where each strategy has one seed
 */
export function pairedLists({ findings, rows }) {
  const lists = findings
    .filter(({ paired }) => Object.keys(paired).length)
    .flatMap(({ key, paired }) => [
      make("h4", { textContent: columnName(key) }),
      make(
        "ul",
        { data: { paired: key } },
        ...rows
          .filter(({ title }) => title in paired)
          .map((row) => {
            const { difference, low, high, visible, seeds, verdict } = paired[row.title];
            const said = t(`compare.paired_${verdict}`, {
              name: rowName(row),
              difference: signed(difference, 1),
              low: signed(low, 1),
              high: signed(high, 1),
              visible: tenth(visible),
              seeds,
            });
            return make("li", { textContent: said, data: { strategy: row.title, verdict } });
          }),
      ),
    ]);
  return lists.length ? [make("p", { class: "mv-small", textContent: t("compare.paired_why") }), ...lists] : [];
}
