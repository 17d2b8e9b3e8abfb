// View of stored searches for a policy: the judge's sentence and numbers, the trials over time, and what each does.
import { codePanel } from "../lib/code.js";
import { make, partOf } from "../lib/dom.js";
import { whole } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { named, t } from "../lib/texts.js";
import { judgePanel } from "./search/judge.js";
import { duration } from "./search/model.js";
import { policyPanel } from "./search/policy.js";
import { schedulePanel } from "./search/schedule.js";
import { trialsPlot } from "./search/trials.js";

/** @import { Answer, Context } from "../types.js" */
/** @import { Stored } from "./search/model.js" */

const HOW = [
  "mixviz search --root mine --budget 30m --judge 5 --out searched",
  "mixviz app --searches searched",
].join("\n");

/** @param {Context} context */
export default function searchView({ element, server }) {
  const root = partOf(element);
  let turn = 0;
  /** @type {Stored[]} */
  let searches = [];
  /** @type {Stored | null} */
  let shown = null;
  let trial = 0;
  /** @type {ReturnType<typeof trialsPlot> | null} */
  let plot = null;
  /** @type {string[]} of the pictures */
  let names = [];
  const query = new URLSearchParams(location.search);
  const panel = policyPanel(
    choose,
    (asked) => mixviz.question("pictured", { ...mixviz.state, ...asked }, server),
    () => (root.dataset.shown = String(turn)),
  );
  const choices = make("div", { class: "mv-chips", aria: { role: "group", label: t("search.searches") } });
  const above = make("div");
  const below = make("div");
  root.append(choices, above, panel.node, below);

  /** @param {number} number */
  function choose(number) {
    if (!shown) return;
    trial = number;
    mixviz.note("trial", number ? String(number) : "");
    plot?.mark(number);
    panel.show(shown, trial, names);
  }

  /** What was searched with which pictures. @param {Stored} search */
  function lede(search) {
    const { run, pictures, trials, verdict, card } = search;
    const counted = pictures && {
      n: whole(pictures.train + pictures.val),
      classes: pictures.classes,
    };
    const parts = [];
    if (run)
      parts.push(
        t("search.lede", {
          strategy: named(`search.strategy.${search.strategy}`, search.strategy),
          trials: trials.length,
          time: duration(trials.at(-1)?.at ?? 0),
          data: [card.data, counted && t("search.pictures", counted)].filter(Boolean).join(", "),
          network: run.network,
          epochs: run.epochs,
        }),
      );
    if (verdict) {
      parts.push(t("search.judged", { seeds: verdict.seeds, val: whole(verdict.pictures.val) }));
      parts.push(t("search.none_is"));
    }
    return parts.join(" ");
  }

  /** @param {Stored} search */
  function unjudged(search) {
    const line = `mixviz judge ${search.name}/policy.json none --root mine --seeds 5 --out judged`;
    return make(
      "section",
      { class: "mv-panel", data: { part: "unjudged" }, aria: { label: t("search.judge") } },
      make("p", { class: "mv-told", textContent: t("search.judge_it") }),
      ...codePanel(line, { label: t("search.judge") }).nodes,
    );
  }

  /** The card, and the lines that repeat the search and its judge. @param {Stored} search */
  function about({ card, verdict }) {
    const made = verdict?.made;
    const facts = [card.data, card.terms, card.date ?? made?.date, card.hardware ?? made?.hardware].filter(Boolean);
    /** @param {string} label @param {string | undefined} line */
    const lines = (label, line) =>
      line ? [make("h3", { textContent: label }), ...codePanel(line, { label }).nodes] : [];
    const contents = [
      ...facts.map((text) => make("p", { class: "mv-told", textContent: text })),
      ...lines(t("search.command"), card.command),
      ...lines(t("search.command_judge"), verdict?.command),
    ];
    const summary = make("summary", { textContent: t("search.about") });
    return contents.length
      ? [make("details", { class: "mv-panel", data: { part: "about" } }, summary, ...contents)]
      : [];
  }

  const own = () =>
    make(
      "details",
      { class: "mv-panel", data: { part: "own" }, open: !searches.length },
      make("summary", { textContent: t("search.yours") }),
      make("p", { class: "mv-told", textContent: t("search.how") }),
      ...codePanel(HOW, { label: t("search.yours") }).nodes,
    );

  /** @param {Stored} search @param {number} first the trial to open */
  function open(search, first) {
    const { verdict } = search;
    shown = search;
    plot = trialsPlot(search, choose);
    [...choices.children].forEach((chip, i) => chip.setAttribute("aria-pressed", String(searches[i] === search)));
    above.replaceChildren(
      make("h1", { textContent: verdict ? verdict.sentence : t("search.unjudged") }),
      make("p", { class: "mv-lead", textContent: lede(search) }),
      verdict ? judgePanel(verdict) : unjudged(search),
      plot.node,
    );
    below.replaceChildren(...(search.stages.length > 1 ? [schedulePanel(search)] : []), ...about(search), own());
    panel.offer(search);
    const there = search.trials.some(({ number }) => number === first);
    choose(there ? first : 0);
  }

  /** Shows what is stored, or how to make it. @param {Stored[]} all */
  function begin(all) {
    searches = all;
    choices.hidden = all.length < 2;
    choices.replaceChildren(
      ...all.map((search) =>
        make("button", {
          class: "mv-chip",
          textContent: search.card.title ?? search.name,
          on: {
            click: () => {
              mixviz.note("search", search === all[0] ? "" : search.name);
              open(search, 0);
            },
          },
        }),
      ),
    );
    panel.node.hidden = !all.length;
    if (!all.length) {
      above.replaceChildren(make("h1", { textContent: t("search.empty") }), own());
      root.dataset.shown = String(turn);
      return;
    }
    open(all.find(({ name }) => name === query.get("search")) ?? all[0], Number(query.get("trial")));
  }

  mixviz.views("search", (/** @type {Answer & { searches?: Stored[] }} */ answer) => {
    turn++;
    names = answer.names;
    if (answer.searches) begin(answer.searches);
    else if (shown) panel.show(shown, trial, names);
    else root.dataset.shown = String(turn);
    mixviz.settled.add("search"); // stored searches do not change
  });
}
