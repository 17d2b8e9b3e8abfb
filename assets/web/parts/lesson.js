// The guided lesson: each step sets a state of the real page and asks a question that the page answers.
import { stem } from "../lib/address.js";
import { make, partOf } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Context } from "../types.js" */

/**
 * @typedef {object} LessonStep
 * @property {string} id
 * @property {number} answers how many
 * @property {number} right
 * @property {string} value
 * @property {string[]} pin
 * @property {Record<string, string>} state
 */

/** @param {Context} context */
export default function lessonView({ element, server }) {
  const root = () => partOf(element);
  const panel = make("section", { class: "mv-lesson", hidden: true, aria: { label: t("lesson_title") } });
  const begin = make("button", { class: "mv-button", textContent: t("lesson"), on: { click: () => open(1) } });
  root().append(begin, panel);
  /** @type {LessonStep[] | null} */
  let steps = null; // computed by the server when the lesson starts

  /** @param {number} number @param {boolean} [restore] */
  async function open(number, restore = true) {
    steps ??= (await server.teach({}).catch(() => null))?.steps;
    if (steps?.[number - 1]) show(steps, number - 1, restore);
    else if (!steps) mixviz.say(t("failed"));
  }

  function leave() {
    panel.hidden = true;
    begin.hidden = false;
    mixviz.note("lesson", null);
    begin.focus();
  }

  /**
   * Returns whether the page still shows the state of the question.
   *
   * @param {Record<string, string>} asked
   */
  function there(asked) {
    const { a, b, lam, alpha, seed, view, method, detector, parameters, box, mask } = mixviz.state;
    /** @type {Record<string, string | undefined>} */
    const now = {
      a: stem(a),
      b: stem(b),
      lam: String(lam),
      alpha: String(alpha),
      seed: String(seed),
      view,
      method,
      detector,
    };
    const untouched = !Object.keys(parameters).length && !box && !mask;
    return untouched && Object.entries(asked).every(([key, value]) => now[key] === value);
  }

  /** @param {LessonStep[]} steps @param {number} at @param {boolean} [restore] */
  function show(steps, at, restore = true) {
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
            verdict.textContent = right
              ? `${t("lesson_right", { value: step.value })} ${last ? t("lesson_done") : ""}`
              : t("lesson_wrong");
          },
        },
      }),
    );
    const heading = make("h2", { tabIndex: -1, textContent: t(`${key}.title`) });
    /** @param {string} text @param {number | null} to @param {boolean} disabled */
    const go = (text, to, disabled) =>
      make("button", {
        class: "mv-button",
        textContent: t(text),
        disabled,
        on: { click: () => (to === null ? leave() : show(steps, to)) },
      });
    panel.replaceChildren(
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
        go("lesson_back", at - 1, at === 0),
        go("lesson_next", at + 1, last),
        go("lesson_end", null, false),
      ),
    );
    panel.hidden = false;
    begin.hidden = true;
    mixviz.note("lesson", at + 1);
    if (!restore) return;
    mixviz.pin(step.pin);
    mixviz.restore(step.state);
    heading.focus();
  }

  const asked = Number(new URLSearchParams(location.search).get("lesson"));
  if (asked >= 1) open(asked, false);
}
