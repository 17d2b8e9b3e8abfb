// The guided lesson: each step puts the opening view into a state, and asks a question that looking answers.
import { stem } from "../../lib/address.js";
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { LessonStep, Server } from "../../types.js" */

/**
 * @param {Server} server
 * @param {() => void} left what to do when the lesson is left
 */
export function lessonOf(server, left) {
  const node = make("section", { class: "mv-lesson", hidden: true, aria: { label: t("lesson_title") } });
  /** @type {LessonStep[] | null} worked out by the server when somebody takes the lesson */
  let steps = null;
  const page = () => document.querySelector("#mv-page");
  /** @type {Set<number>} */
  const answered = new Set();
  /** @type {Set<number>} steps that were answered right at once */
  const correct = new Set();

  let at = -1; // the step that is shown, from 0; -1 outside of the lesson

  /** @param {number} number of the step, from 1 @param {boolean} [restore] bring the page into the step's state */
  async function open(number, restore = true) {
    steps ??= (await mixviz.question("teach", {})).steps ?? null;
    if (steps?.[number - 1]) show(steps, number - 1, restore);
    else if (!steps) mixviz.say(t("failed"));
  }

  function close() {
    at = -1;
    node.hidden = true;
    page()?.classList.remove("mv-learning");
  }

  function leave() {
    close();
    mixviz.note("lesson", null, true);
    left();
  }

  /** @param {number} by */
  function move(by) {
    if (!steps || at < 0) return false;
    if (at + by >= steps.length) finish(steps.length);
    else if (at + by >= 0) show(steps, at + by);
    return true;
  }

  /**
   * Does the page still show what the question is about?
   *
   * @param {Record<string, string>} asked
   */
  function there(asked) {
    const { a, b, lam, seed, view, method, detector, parameters, box, mask } = mixviz.state;
    /** @type {Record<string, string | undefined>} */
    const now = { a: stem(a), b: stem(b), lam: String(lam), seed: String(seed), view, method, detector };
    const untouched = !Object.keys(parameters).length && !box && !mask;
    return untouched && Object.entries(asked).every(([key, value]) => now[key] === value);
  }

  /** @param {LessonStep[]} steps @param {number} number from 0 @param {boolean} [restore] */
  function show(steps, number, restore = true) {
    at = number;
    const step = steps[at];
    const key = `lesson.${step.id}`;
    const last = at === steps.length - 1;
    const verdict = make("p", { class: "mv-verdict", aria: { role: "status" } });
    const answers = Array.from({ length: step.answers }, (_, i) =>
      make("button", {
        class: "mv-chip mv-answer",
        textContent: t(`${key}.answer${i + 1}`),
        on: {
          click: ({ target }) => {
            if (!there(step.state)) {
              verdict.textContent = t("lesson_moved");
              return mixviz.restore(step.state);
            }
            const right = i + 1 === step.right;
            target.dataset.right = String(right);
            answers[step.right - 1].dataset.right = "true";
            if (right && !answered.has(at)) correct.add(at);
            answered.add(at);
            const answer = t(right ? "lesson_right" : "lesson_wrong", { value: step.value });
            verdict.textContent = `${answer} ${t(`${key}.why`)}`;
            next.textContent = t(last ? "lesson_finish" : "lesson_next");
          },
        },
      }),
    );
    const heading = make("h1", { tabIndex: -1, textContent: t(`${key}.title`) });
    /** @param {string} text @param {() => unknown} run @param {boolean} [disabled] */
    const go = (text, run, disabled = false) =>
      make("button", { class: "mv-button", textContent: t(text), disabled, on: { click: run } });
    const next = go(answered.has(at) ? (last ? "lesson_finish" : "lesson_next") : "lesson_skip", () => move(1));
    next.classList.add("mv-primary");
    node.replaceChildren(
      make("p", {
        class: "mv-small",
        textContent: `${t("lesson_title")} · ${t("lesson_step", { i: at + 1, n: steps.length })}`,
      }),
      heading,
      make("p", { textContent: t(`${key}.text`) }),
      make(
        "fieldset",
        {},
        make("legend", { textContent: t(`${key}.question`) }),
        make("div", { class: "mv-chips" }, ...answers),
      ),
      verdict,
      make(
        "div",
        { class: "mv-chips" },
        go("lesson_back", () => move(-1), at === 0),
        next,
        go("lesson_end", leave),
      ),
    );
    node.hidden = false;
    page()?.classList.add("mv-learning");
    if (!restore) return;
    mixviz.note("lesson", at + 1, true);
    mixviz.restore(step.state);
    heading.focus();
  }

  /** @param {number} count */
  function finish(count) {
    const heading = make("h1", { tabIndex: -1, textContent: t("lesson_done") });
    const learned = ["label", "area", "look"].map((one) => make("li", { textContent: t(`lesson_learned.${one}`) }));
    node.replaceChildren(
      heading,
      make("p", { textContent: t("lesson_score", { right: correct.size, n: count }) }),
      make("ul", {}, ...learned),
      make(
        "div",
        { class: "mv-chips" },
        make("button", {
          class: "mv-button mv-primary",
          textContent: t("learn.all"),
          on: { click: () => (leave(), mixviz.open("grid")) },
        }),
        make("button", { class: "mv-button", textContent: t("lesson_end"), on: { click: leave } }),
      ),
    );
    heading.focus();
  }

  /** Shows the step of the address. @param {boolean} [restore] */
  function follow(restore = false) {
    const wanted = Number(new URLSearchParams(location.search).get("lesson"));
    if (wanted >= 1) open(wanted, restore);
    else if (at >= 0) close();
  }
  return { node, open, move, follow };
}
