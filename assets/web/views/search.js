// View of searches for a policy: the judge's sentence and numbers, the trials over time, what each does; a small one is
// started here.
import { codePanel } from "../lib/code.js";
import { make, partOf } from "../lib/dom.js";
import { whole } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { named, t } from "../lib/texts.js";
import { judgePanel } from "./search/judge.js";
import { livePanel } from "./search/live.js";
import { duration, titleOf } from "./search/model.js";
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
  const heading = make("h1");
  const lead = make("p", { class: "mv-lead" });
  const above = make("div");
  const below = make("div");
  const live = livePanel(server, came);
  root.append(choices, heading, lead, live.node, above, panel.node, below);

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
    say(search);
    const judge = verdict ? [judgePanel(verdict)] : search.state === "done" ? [unjudged(search)] : [];
    above.replaceChildren(...judge, plot.node);
    below.replaceChildren(...(search.stages.length > 1 ? [schedulePanel(search)] : []), ...about(search), own());
    panel.node.hidden = false;
    panel.offer(search);
    const there = search.trials.some(({ number }) => number === first);
    choose(there ? first : 0);
  }

  /** The sentence about a search, and what was searched with which pictures. @param {Stored} search */
  function say(search) {
    const { verdict, state } = search;
    heading.textContent = verdict ? verdict.sentence : t(state === "done" ? "search.unjudged" : `live.h1.${state}`);
    lead.textContent = lede(search);
    lead.hidden = false;
  }

  /** Offers the searches as chips, if there are several. */
  function offer() {
    choices.hidden = searches.length < 2;
    choices.replaceChildren(...searches.map((search) => chipOf(search.name)));
  }

  /** @param {string} name */
  function chipOf(name) {
    const find = () => /** @type {Stored} */ (searches.find((one) => one.name === name));
    return make("button", {
      class: "mv-chip",
      textContent: titleOf(find()),
      aria: { pressed: shown?.name === name },
      on: { click: () => (noted(find()), open(find(), 0)) },
    });
  }

  /** @param {Stored} search */
  const noted = (search) => mixviz.note("search", search === searches[0] ? "" : search.name);

  /** A search that runs has gone on, or has begun or ended. @param {Stored} search @param {boolean} wanted */
  function came(search, wanted) {
    const place = searches.findIndex(({ name }) => name === search.name);
    const newest = searches.findIndex(({ started }) => started);
    if (place < 0) searches.splice(newest < 0 ? searches.length : newest, 0, search);
    const old = searches[place];
    if (place >= 0) searches[place] = search;
    if (shown && shown === old) renew(old, search);
    if (place < 0) offer();
    if (wanted || !shown) (noted(search), open(search, 0));
  }

  /** Shows what is new of the search that is open, and leaves the rest. @param {Stored} old @param {Stored} search */
  function renew(old, search) {
    const same = old.state === search.state && !old.verdict === !search.verdict;
    if (!same || old.stages.length > 1 || search.stages.length > 1) return open(search, trial);
    shown = search;
    say(search);
    plot?.update(search, trial);
    panel.offer(search);
    if (!trial && JSON.stringify(old.stages) !== JSON.stringify(search.stages)) panel.show(search, 0, names);
  }

  /** Shows what is stored, or how to make it. @param {Stored[]} all */
  function begin(all) {
    searches = all;
    offer();
    live.ask();
    if (all.length) {
      const named = all.find(({ name }) => name === query.get("search"));
      return open(named ?? all[0], Number(query.get("trial")));
    }
    panel.node.hidden = lead.hidden = true;
    heading.textContent = t("search.empty");
    above.replaceChildren(own());
    root.dataset.shown = String(turn);
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
