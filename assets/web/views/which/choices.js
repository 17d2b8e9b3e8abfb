// The visitor's requirements of a method, each with an adjustable limit, and the choice of methods to consider.
import { make } from "../../lib/dom.js";
import { clamp } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Candidate } from "../../types.js" */

/**
 * A requirement: its column, its limit with a range, and the test that a method fails.
 *
 * @typedef {object} Limit
 * @property {string} column
 * @property {number} [at]
 * @property {number} [least]
 * @property {number} [most]
 * @property {number} [step]
 * @property {(row: Candidate, limit: number) => boolean} fails
 */

/** @type {Record<string, Limit>} */
const LIMITS = {
  visible: {
    column: "hidden",
    at: 45,
    least: 0,
    most: 100,
    step: 1,
    fails: (row, limit) => row.values.hidden > limit / 100,
  },
  truth: { column: "gap", at: 10, least: 0, most: 50, step: 1, fails: (row, limit) => row.values.gap > limit / 100 },
  speed: {
    column: "rate",
    at: 10000,
    least: 0,
    most: 100000,
    step: 1000,
    fails: (row, limit) => row.values.rate < limit,
  },
  network: { column: "needs", fails: (row) => row.needs === "network" },
};

/**
 * Reads requirements from the address, for example limits=visible:45,network and without=mixup,cutmix.
 *
 * @param {string | null} text
 */
export function limitsOf(text) {
  const asked = new Map();
  for (const part of (text ?? "").split(",")) {
    const [name, number] = part.split(":");
    const about = Object.hasOwn(LIMITS, name) ? LIMITS[name] : null;
    const value = Number(number ?? about?.at);
    if (about)
      asked.set(
        name,
        about.at === undefined
          ? null
          : Number.isFinite(value)
            ? clamp(value, about.least ?? 0, about.most ?? Infinity)
            : about.at,
      );
  }
  return asked;
}

/** @param {Map<string, number | null>} asked @param {() => void} changed */
export function questions(asked, changed) {
  const write = () => {
    mixviz.note("limits", [...asked].map(([name, value]) => (value === null ? name : `${name}:${value}`)).join(","));
    changed();
  };
  return make(
    "div",
    { class: "mv-questions" },
    ...Object.entries(LIMITS).map(([name, about]) => {
      const told = make("output", { htmlFor: `mv-limit-${name}` });
      const range =
        about.at === undefined
          ? null
          : make("input", {
              type: "range",
              id: `mv-limit-${name}`,
              min: about.least,
              max: about.most,
              step: about.step,
              value: asked.get(name) ?? about.at,
              aria: { label: t(`which.limit.${name}`) },
            });
      const box = make("input", { type: "checkbox", name: `ask-${name}`, checked: asked.has(name) });
      const say = () => {
        if (range) told.textContent = t(`which.at.${name}`, { limit: Number(range.value).toLocaleString("en") });
      };
      const turn = () => {
        if (range) range.hidden = !box.checked;
        told.hidden = !box.checked;
        say();
        box.checked ? asked.set(name, range ? Number(range.value) : null) : asked.delete(name);
      };
      box.addEventListener("change", () => {
        turn();
        write();
      });
      range?.addEventListener("input", () => {
        turn();
        write();
      });
      turn();
      return make(
        "div",
        { class: "mv-question", data: { question: name } },
        make("label", { class: "mv-check" }, box, t(`which.ask.${name}`)),
        ...(range ? [range, told] : []),
      );
    }),
  );
}

/**
 * The columns of the requirements that have a limit.
 *
 * @param {Map<string, number | null>} asked
 */
export const columnsOf = (asked) =>
  Object.entries(LIMITS).flatMap(([name, { column, at }]) => (asked.has(name) && at !== undefined ? [column] : []));

/**
 * The reason why a method is excluded, if it is. A missing measurement does not exclude a method.
 *
 * @param {Candidate} row
 * @param {Map<string, number | null>} asked
 */
export function reason(row, asked) {
  for (const [name, limit] of asked) {
    const { column, fails } = LIMITS[name];
    if (fails(row, limit ?? 0))
      return t(`which.out.${name}`, {
        title: row.title,
        value: row.said[column] ?? "",
        limit: (limit ?? 0).toLocaleString("en"),
      });
  }
  return "";
}

/**
 * A checkbox per family, indeterminate if its methods differ, with one per method below.
 *
 * @param {Set<string>} without
 * @param {() => void} changed
 */
export function methodChoice(without, changed) {
  const summary = make("summary");
  const body = make("div", { class: "mv-families" });
  const node = make("details", {}, summary, body);
  let drawn = "";
  let sync = () => {};
  /** @param {Record<string, string>} families */
  function draw(families) {
    // name -> family
    const names = Object.keys(families);
    if (drawn !== names.join()) {
      drawn = names.join();
      const groups = [...new Set(Object.values(families))].map((family) => ({
        family,
        names: names.filter((name) => families[name] === family),
      }));
      const boxes = groups.map(({ family, names: its }) => {
        const all = make("input", { type: "checkbox", on: { change: ({ target }) => toggle(its, target.checked) } });
        const ticks = its.map((name) =>
          make("input", { type: "checkbox", name, on: { change: ({ target }) => toggle([name], target.checked) } }),
        );
        body.append(
          make(
            "fieldset",
            {},
            make("legend", {}, make("label", { class: "mv-check" }, all, t(`family.${family}`))),
            ...its.map((name, i) => make("label", { class: "mv-check" }, ticks[i], mixviz.methods[name]?.[0] ?? name)),
          ),
        );
        return { all, ticks };
      });
      sync = () => {
        for (const { all, ticks } of boxes) {
          for (const tick of ticks) tick.checked = !without.has(tick.name);
          all.checked = ticks.every((tick) => tick.checked);
          all.indeterminate = !all.checked && ticks.some((tick) => tick.checked);
        }
      };
    }
    sync();
    summary.textContent = t("which.methods", {
      n: names.filter((name) => !without.has(name)).length,
      all: names.length,
    });
  }
  /** @param {string[]} names @param {boolean} on */
  function toggle(names, on) {
    for (const name of names) on ? without.delete(name) : without.add(name);
    mixviz.note("without", [...without].join(","));
    changed();
  }
  return { node, draw };
}
