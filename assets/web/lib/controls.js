// Controls that several views share: the method, pictures, λ, and those under "More". There is one node of each, which
// moves to the visible view; the page's state sets their values.
import { make } from "./dom.js";
import { mixviz } from "./page.js";
import { t } from "./texts.js";

/** @import { State } from "../types.js" */

/**
 * A slider with its value as a number to type.
 *
 * @param {"lam" | "alpha"} key
 * @param {{ min: number, max: number, step: number }} range
 */
function sliderOf(key, { min, max, step }) {
  /** @param {HTMLInputElement} input */
  const send = (input) => {
    const value = Number(input.value);
    if (input.value !== "" && value >= min && value <= max) mixviz.change({ [key]: value });
    else if (input.type === "number") mixviz.say(t(`error.${key}`));
  };
  const id = `mv-${key}`;
  const slider = make("input", {
    id,
    type: "range",
    min,
    max,
    step,
    on: { input: ({ target }) => send(target) },
  });
  const number = make("input", {
    type: "number",
    min,
    max,
    step: "any",
    aria: { label: t("as_number", { name: t(key) }) },
    on: { change: ({ target }) => send(target) },
  });
  const node = make("div", { class: "mv-slider" }, make("label", { htmlFor: id, textContent: t(key) }), slider, number);
  /** @param {number} value */
  const update = (value) => {
    slider.value = String(value);
    if (document.activeElement !== number) number.value = String(Math.round(value * 1e4) / 1e4);
  };
  return { node, number, update };
}

/**
 * A link to a view, which opens it in this page.
 *
 * @param {string} view
 * @param {...Node | string} children
 */
export function viewLink(view, ...children) {
  /** @param {MouseEvent} event */
  const open = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    mixviz.open(view);
  };
  return make("a", { href: `?view=${view}`, on: { click: open } }, ...children);
}

/** The method of the page, as its heading, and the way back to all methods. */
function methodControl() {
  const choose = make("select", {
    id: "mv-method",
    aria: { label: t("method") },
    on: { change: ({ target }) => mixviz.open(mixviz.state.view, { method: target.value }) },
  });
  offerMethods(choose);
  const heading = make("h1", {}, choose);
  const back = viewLink("grid", make("span", { textContent: "‹ ", aria: { hidden: true } }), t("tab_grid"));
  const node = make("div", { class: "mv-method" }, back, heading);
  /** @param {State} state */
  const update = ({ method }) => {
    choose.value = method;
    heading.setAttribute("aria-label", mixviz.methods[method][0]);
  };
  return { node, update };
}

/** λ where it is held, else α of the distribution that it is drawn from; neither where the filmstrips change it. */
function lamControl() {
  const lam = sliderOf("lam", { min: 0, max: 1, step: 0.01 });
  const alpha = sliderOf("alpha", { min: 0.05, max: 8, step: 0.05 });
  const node = make("div", { class: "mv-lam" }, lam.node, alpha.node);
  let held = 0.6;
  /** @param {State} state */
  const update = (state) => {
    const drawn = state.lam === null || state.view === "draws";
    node.hidden = state.view === "sweep" && state.over !== "seed";
    lam.node.hidden = drawn;
    alpha.node.hidden = !drawn;
    // Before the gallery's tiles every stop of the Tab key counts, and the slider sets the same.
    for (const { number } of [lam, alpha]) number.tabIndex = state.view === "grid" ? -1 : 0;
    alpha.update(Number(state.parameters.alpha ?? state.alpha ?? 1));
    if (typeof state.lam !== "number") return;
    held = state.lam;
    lam.update(held);
  };
  return { node, update, held: () => held };
}

/** @param {() => number} held λ before it was drawn */
function moreControl(held) {
  const seed = make("input", {
    id: "mv-seed",
    type: "number",
    min: 0,
    step: 1,
    on: {
      change: ({ target }) => {
        const value = target.value === "" ? null : Number(target.value);
        mixviz.change({ seed: /** @type {number} */ (value) });
      },
    },
  });
  const detector = make("select", {
    id: "mv-detector",
    on: { change: ({ target }) => mixviz.change({ detector: target.value }) },
  });
  const hold = make("input", {
    type: "checkbox",
    on: { change: ({ target }) => mixviz.change({ lam: target.checked ? held() : null }) },
  });
  const shuffle = make("button", {
    class: "mv-button",
    textContent: t("shuffle"),
    on: { click: () => mixviz.change({ seed: Math.floor(Math.random() * 10000) }) },
  });
  const fields = make(
    "div",
    { class: "mv-more-fields" },
    make("label", { htmlFor: "mv-seed", textContent: t("seed") }),
    make("div", { class: "mv-chips" }, seed, shuffle),
    make("label", { htmlFor: "mv-detector", textContent: t("detector") }),
    detector,
    make("label", { class: "mv-check" }, hold, t("hold")),
  );
  const node = make("details", { class: "mv-more" }, make("summary", { textContent: t("more") }), fields);
  /** @param {State} state */
  const update = (state) => {
    if (document.activeElement !== seed) seed.value = String(state.seed ?? "");
    detector.value = state.detector ?? "";
    hold.checked = state.lam !== null;
  };
  /** @param {string[]} names */
  const offer = (names) =>
    detector.replaceChildren(
      ...names.map((name) => make("option", { value: name, textContent: t(`detector.${name}`) })),
    );
  return { node, fields, update, offer };
}

function picturesControl() {
  const chips = /** @type {const} */ (["a", "b"]).map((letter) => {
    const image = make("span", { class: "mv-thumb" });
    const name = make("b");
    const button = make(
      "button",
      { class: `mv-picture mv-picture-${letter}`, on: { click: () => mixviz.pick(letter) } },
      image,
      make("span", { class: "mv-letter", textContent: letter.toUpperCase() }),
      name,
    );
    return { letter, image, name, button };
  });
  const swap = make("button", { class: "mv-button", textContent: "⇄", title: t("swap"), aria: { label: t("swap") } });
  swap.addEventListener("click", () => mixviz.swap());
  const node = make("div", { class: "mv-pictures" }, chips[0].button, swap, chips[1].button);
  /** @param {State} state */
  const update = (state) => {
    for (const { letter, image, name, button } of chips) {
      const label = state[`name_${letter}`] ?? "";
      name.textContent = label;
      button.setAttribute("aria-label", t("choose_picture", { letter: letter.toUpperCase(), name: label }));
      mixviz.thumbnail(image, state[letter]);
    }
  };
  return { node, update };
}

/** @param {string[]} detectors */
export function controlsOf(detectors) {
  const lam = lamControl();
  const more = moreControl(lam.held);
  more.offer(detectors);
  const controls = { method: methodControl(), pictures: picturesControl(), lam, more };
  mixviz.watch((state) => Object.values(controls).forEach((control) => control.update(state)));
  const nodes = Object.entries(controls).map(([name, { node }]) => [name, node]);
  /** @type {Record<string, HTMLElement>} */
  return { ...Object.fromEntries(nodes), fields: more.fields };
}

/** Offers all methods, by family. @param {HTMLSelectElement} choose the list that is filled */
export function offerMethods(choose) {
  const all = Object.entries(mixviz.methods);
  for (const family of new Set(all.map(([, [, family]]) => family))) {
    const its = all.filter(([, [, other]]) => other === family);
    const options = its.map(([name, [title]]) => make("option", { value: name, textContent: title }));
    choose.append(make("optgroup", { label: t(`family.${family}`) }, ...options));
  }
}
