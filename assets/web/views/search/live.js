// A small search that a visitor starts here: its settings, how far it is, and how to stop it and go on.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";
import { visitorIn } from "../../lib/visitor.js";
import { duration, valued } from "./model.js";

/** @import { Server } from "../../types.js" */
/** @import { Live, Running, Stored } from "./model.js" */

const PAUSE = 1000; // ms between two questions while a search runs
const REST = 8000; // ms else: another visitor may have started one
const KEY = "mixviz-searcher";

/**
 * @param {Server} server
 * @param {(search: Stored, open: boolean) => void} came a search that runs here has gone on; whether to open it
 */
export function livePanel(server, came) {
  const visitor = visitorIn("local", KEY); // all tabs of this browser
  let timer = 0;
  let seen = "";
  /** @type {string | null} the search that runs here, or ran last */
  let watching = null;
  let wanted = false; // the visitor has started it, and waits to see it
  let asks = false;
  /** @type {Live | null} */
  let known = null;
  /** @type {Stored | null} */
  let latest = null;

  const sets = make("select", { id: "mv-live-set" });
  const strategies = make("select", {
    id: "mv-live-strategy",
    aria: { describedby: "mv-live-why" },
    on: { change: () => explain() },
  });
  const minutes = make("select", { id: "mv-live-minutes" });
  const judged = make("input", { type: "checkbox", checked: true });
  const why = make("p", { id: "mv-live-why", class: "mv-small", aria: { live: "polite" } });
  const about = make("p", { class: "mv-small" });
  const begin = make("button", { class: "mv-button mv-primary", textContent: t("live.start"), on: { click: start } });
  const onward = make("button", {
    class: "mv-button",
    textContent: t("live.go_on"),
    on: { click: () => question("go_on") },
  });
  const stop = make("button", {
    class: "mv-button",
    textContent: t("live.cancel"),
    on: { click: () => question("cancel") },
  });
  const bar = make("progress", { aria: { label: t("live.title") } });
  const left = make("span", { class: "mv-live-left" });
  const told = make("p", { class: "mv-live-told", aria: { role: "status" } });
  const wrong = make("p", { class: "mv-live-wrong", hidden: true, aria: { role: "alert" } });
  const form = make(
    "div",
    { class: "mv-live-form" },
    field("live.set", sets),
    field("live.strategy", strategies),
    field("live.minutes", minutes),
    why,
    make("label", { class: "mv-check" }, judged, make("span", { textContent: t("live.judge") })),
    make("div", { class: "mv-live-begin" }, begin),
  );
  const runs = make("div", { class: "mv-live-runs", hidden: true }, make("div", {}, bar, left), stop);
  /** @type {HTMLDetailsElement} */
  const node = make(
    "details",
    { class: "mv-panel mv-live", data: { part: "live" }, on: { toggle: () => node.open && question("live") } },
    make("summary", { textContent: t("live.title") }),
    about,
    wrong,
    form,
    told,
    runs,
    onward,
  );

  /** @param {string} key @param {HTMLSelectElement} control */
  function field(key, control) {
    return make("div", { class: "mv-field" }, make("label", { htmlFor: control.id, textContent: t(key) }), control);
  }

  function explain() {
    why.textContent = known?.strategies.find(({ name }) => name === strategies.value)?.why ?? "";
  }

  async function start() {
    wanted = true;
    watching = null;
    await question("begin", {
      key: sets.value,
      strategy: strategies.value,
      minutes: Number(minutes.value),
      judged: judged.checked,
    });
    if (known?.running?.mine) stop.focus();
  }

  /** @param {"live" | "begin" | "cancel" | "go_on"} what @param {object} [more] */
  async function question(what, more = {}) {
    if (asks && what === "live") return;
    clearTimeout(timer);
    asks = true;
    if (what !== "live") for (const button of [begin, onward, stop]) button.disabled = true;
    /** @type {Live} */
    const answer = await mixviz.question(what, { ...more, visitor, watching, seen }, server);
    asks = false;
    for (const button of [begin, onward, stop]) button.disabled = false;
    if (answer.message) fail(answer.message);
    else take(answer);
    again();
  }

  /** Asks once more after a pause, as long as somebody looks. */
  function again() {
    clearTimeout(timer);
    const looks = () => mixviz.state.view === "search" && !document.hidden && (node.open || known?.running);
    timer = setTimeout(() => (looks() ? question("live") : again()), known?.running ? PAUSE : REST);
  }

  /** @param {string} text */
  function fail(text) {
    if (wrong.textContent !== text) wrong.textContent = text; // it is read out
    wrong.hidden = !text;
  }

  /** @param {Live} now */
  function take(now) {
    const before = known?.running;
    known = now;
    offer(now);
    fail(now.refusal || (now.running ? "" : now.error));
    if (now.search && now.version) {
      latest = now.search;
      seen = now.version;
      came(now.search, wanted && !!now.running?.mine);
      wanted = wanted && !now.running;
    }
    if (now.running) {
      watching = now.running.name;
      if (latest?.name !== watching) latest = null;
      if (!before) node.open = true;
    } else if (before?.mine) {
      wanted = false;
      say(now.error ? "" : now.stopped ? "" : t(latest?.name === before.name ? "live.finished" : "live.cancelled"));
    }
    if (now.stopped) say(t("live.stopped"));
    form.hidden = !!now.refusal || !!now.running;
    runs.hidden = !now.running;
    onward.hidden = !now.stopped || !!now.refusal;
    if (now.running) advance(now.running);
    node.dataset.state = now.running ? "running" : now.stopped ? "stopped" : "ready";
    if (before && !now.running && document.activeElement === document.body) node.querySelector("summary")?.focus();
  }

  /** Fills the lists, once: what a visitor has chosen stays. @param {Live} now */
  function offer(now) {
    about.textContent = t("live.why", { pictures: now.pictures });
    about.hidden = !!now.refusal;
    if (sets.dataset.of !== now.sets.map(({ key }) => key).join()) {
      sets.replaceChildren(...now.sets.map(({ key, title }) => make("option", { value: key, textContent: title })));
      sets.dataset.of = now.sets.map(({ key }) => key).join();
    }
    if (strategies.options.length) return;
    strategies.append(...now.strategies.map(({ name, title }) => make("option", { value: name, textContent: title })));
    if (now.strategies.some(({ name }) => name === "bayes")) strategies.value = "bayes";
    const [low, high] = now.minutes;
    for (let n = low; n <= high; n++)
      minutes.append(make("option", { value: String(n), textContent: t("live.n_minutes", { n }), selected: n === 5 }));
    explain();
  }

  /** @param {string} text */
  function say(text) {
    if (told.textContent !== text) told.textContent = text; // it is read out
  }

  /** @param {Running} now */
  function advance({ mine, stopping, phase, done, total, left: seconds }) {
    stop.hidden = !mine;
    stop.disabled ||= stopping;
    const standing = latest && latest.best !== null ? valuesOf(latest) : null;
    const step = stopping ? t("live.stopping") : !total && latest ? t("live.again") : stepOf(phase, done, total);
    const parts = standing ? [step, t("live.best", standing)] : [step];
    say(mine ? parts.join(" · ") : `${t("live.of_another")} ${parts.join(" · ")}`);
    if (total) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value");
    const known = seconds !== null && !stopping;
    left.textContent = known ? t(seconds < 1 ? "live.any_moment" : "live.left", { time: rounded(seconds) }) : "";
  }
  return { node, ask: () => question("live"), watches: () => watching };
}

/** @param {Stored} search */
const valuesOf = (search) => ({ best: valued(search, search.best), none: valued(search, search.none) });

/** A time that jumps less. @param {number} seconds */
const rounded = (seconds) => duration(seconds < 60 ? Math.ceil(seconds / 5) * 5 : Math.ceil(seconds / 10) * 10);

/** @param {string} phase @param {number} done @param {number | null} total */
function stepOf(phase, done, total) {
  if (phase === "starting") return t("live.starting");
  if (phase === "trials") return total ? t("live.trials", { done, total }) : t("live.first");
  return total ? t("live.judging", { done, total }) : t("live.judge_first");
}
