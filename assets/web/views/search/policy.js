// What one policy does: in words, and in pictures of A and B.
import { labelBar, make, place } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { Sheet } from "../../lib/sheets.js";
import { t } from "../../lib/texts.js";
import { scoreOf, valued } from "./model.js";

/** @import { Stored, StageWords } from "./model.js" */

const FEW = 12; // sequences of a policy that are listed

/**
 * @param {(number: number) => void} choose
 * @param {(asked: object) => Promise<any>} ask for the pictures
 * @param {() => void} drawn
 */
export function policyPanel(choose, ask, drawn) {
  const sheet = new Sheet();
  let turn = 0;
  const heading = make("h2");
  const which = make("select", { id: "mv-trial", on: { change: ({ target }) => choose(Number(target.value)) } });
  const value = make("p", { class: "mv-told", aria: { live: "polite" } });
  const words = make("ul", { class: "mv-says-list mv-policy-words" });
  const tiles = make("div", { class: "mv-draws-of" });
  const wrong = make("p", { class: "mv-told", hidden: true });
  const note = make("p", { class: "mv-small" });
  const again = make("button", {
    class: "mv-button",
    textContent: t("shuffle"),
    on: { click: () => mixviz.change({ seed: (Number(mixviz.state.seed) + 8) % 2 ** 32 }) },
  });
  const node = make(
    "section",
    { class: "mv-panel", data: { part: "policy" }, aria: { label: t("search.policy_found") } },
    make("div", { class: "mv-plot-head" }, heading, make("label", { class: "mv-axis" }, t("search.choose"), which)),
    value,
    words,
    make("div", { class: "mv-head" }, make("span", { data: { control: "pictures" } }), again),
    tiles,
    wrong,
    note,
  );

  /** Offers the trials of a search; of one that has gone on, the new ones too. @param {Stored} search */
  function offer(search) {
    if (which.dataset.of !== search.name)
      which.replaceChildren(make("option", { value: "0", textContent: t("search.policy_found") }));
    which.dataset.of = search.name;
    for (const { number, value: its, last } of search.trials.slice(which.options.length - 1))
      which.append(make("option", { value: String(number), textContent: `${number}: ${valued(search, its ?? last)}` }));
  }

  /** @param {Stored} search @param {number} number @param {string[]} names */
  async function show(search, number, names) {
    const mine = ++turn;
    const trial = search.trials.find((one) => one.number === number);
    which.value = String(number);
    heading.textContent = trial ? t("search.policy", { n: number }) : t("search.policy_found");
    value.textContent = trial ? about(search, trial.value ?? trial.last, trial.parent) : "";
    value.hidden = !trial;
    const answer = await ask({ search: search.name, trial: number });
    if (mine !== turn) return;
    wrong.hidden = !answer.message;
    wrong.textContent = answer.message ?? "";
    tiles.hidden = words.hidden = !!answer.message;
    if (!answer.message) {
      const url = await sheet.open(answer.sheet);
      if (mine !== turn) return URL.revokeObjectURL(url);
      words.replaceChildren(...said(answer.stages));
      note.textContent = t(answer.stages.length > 1 ? "search.shows_end" : "search.shows");
      tiles.replaceChildren(...pictures(url, answer, names));
      sheet.take(url);
    }
    node.dataset.shown = String(number);
    drawn();
  }
  return { node, offer, show };
}

/** @param {Stored} search @param {number | null} value @param {number | null} parent */
function about(search, value, parent) {
  // Of a population, each generation has a yardstick of its own.
  const other = search.none === null || search.trials.some(({ parent }) => parent);
  const key = other ? "search.value" : "search.value_none";
  const values = { score: scoreOf(search), value: valued(search, value), none: valued(search, search.none) };
  return [t(key, values), ...(parent ? [t("search.parent", { n: parent })] : [])].join(". ");
}

/** The sequences of all stages, most used first. @param {StageWords[]} stages */
function said(stages) {
  return stages.flatMap(({ sequences, until }) => {
    const when = stages.length > 1 ? `${t("search.until", { until: percent(until) })} ` : "";
    return [...sequences]
      .sort((one, other) => other.share - one.share)
      .slice(0, FEW)
      .map(({ share, words }) =>
        make(
          "li",
          {},
          ...(when ? [make("b", { textContent: when })] : []),
          words,
          ...(sequences.length > 1
            ? [make("small", { textContent: ` ${t("search.share", { share: percent(share) })}` })]
            : []),
        ),
      );
  });
}

/**
 * The mixtures of A, then those of B.
 *
 * @param {string} url
 * @param {{ labels: number[][], columns: number }} answer A and B in turn
 * @param {string[]} names
 */
function pictures(url, { labels, columns }, names) {
  const rows = Math.ceil(labels.length / columns);
  const order = [...labels.keys()].sort((i, j) => (i % 2) - (j % 2) || i - j);
  return order.map((i) => {
    const parts = labels[i].flatMap((share, k) => (share > 0.0005 ? [`${percent(share)} ${names[k]}`] : []));
    const label = t("search.alt", { name: names[i % 2], n: Math.floor(i / 2) + 1, label: parts.join(", ") });
    const tile = make("div", { class: "mv-tile", aria: { role: "img", label } });
    const bar = labelBar(0);
    place(tile, url, i, columns, rows);
    bar.update(names, labels[i]);
    return make("figure", {}, tile, bar.node);
  });
}
