// Controls for a method's parameters, made from their fields.
import { make } from "./dom.js";
import { mixviz } from "./page.js";
import { t } from "./texts.js";

/** @import { Parameter } from "../types.js" */

/**
 * @typedef {object} Method
 * @property {string} method
 * @property {boolean} held
 * @property {Parameter[]} parameters
 */

/**
 * The controls of a method's parameters. A control in use is not updated: the answer follows it.
 *
 * @param {string} prefix of the controls' ids
 */
export function parameterControls(prefix) {
  const node = make("div", { class: "mv-controls" });

  /** @param {Method} value */
  function update(value) {
    const key = JSON.stringify([value.method, value.held]);
    if (node.dataset.key !== key) {
      node.dataset.key = key;
      const end = value.parameters.length
        ? make("button", { class: "mv-button", textContent: t("reset"), on: { click: reset } })
        : make("p", { textContent: t("no_parameters") });
      node.replaceChildren(...value.parameters.map((about) => control(about, value)), end);
    }
    for (const about of value.parameters) {
      const input = /** @type {HTMLInputElement} */ (node.querySelector(`[name="${about.name}"]`));
      if (document.activeElement !== input) {
        if (about.kind === "bool") input.checked = !!about.value;
        else input.value = String(about.value);
      }
      const output = node.querySelector(`output[for="${input.id}"]`);
      if (output) output.textContent = Number(about.value).toLocaleString("en", { maximumFractionDigits: 3 });
    }
  }

  function reset() {
    node.dataset.key = "";
    mixviz.set({ parameters: {}, alpha: null, box: null, mask: null });
  }

  /** @param {Parameter} about @param {Method} value */
  function control(about, value) {
    const id = `${prefix}-${about.name}`;
    const number = about.kind === "int" || about.kind === "float";
    // There is one α on the page: this control is another handle of the one beside λ.
    const shared = about.name === "alpha";
    /** @param {HTMLInputElement} input */
    const read = (input) => (number ? Number(input.value) : about.kind === "bool" ? input.checked : input.value);
    /** @param {any} value */
    const changed = (value) => {
      return shared ? { alpha: value } : { parameters: { ...mixviz.state.parameters, [about.name]: value } };
    };
    /** @param {{ target: HTMLInputElement }} event */
    const set = ({ target }) => mixviz.set({ ...changed(read(target)), box: null, mask: null });
    const input = inputOf(about, number ? { input: set } : { change: set });
    Object.assign(input, { id, name: about.name });
    const text = about.text + (shared && value.held ? `. ${t("alpha_held")}` : "");
    const info = make("small", { id: `${id}-info`, textContent: text });
    input.setAttribute("aria-describedby", info.id);
    const output = number ? make("output", { htmlFor: id }) : "";
    const label = make("label", { htmlFor: id }, make("code", { textContent: about.name }), output);
    return make("div", { class: "mv-control" }, label, input, info);
  }

  return { node, update };
}

/**
 * @param {Parameter} about
 * @param {Record<string, (event: any) => unknown>} on
 */
function inputOf(about, on) {
  if (about.kind === "int" || about.kind === "float") {
    const step = about.kind === "int" ? 1 : about.high > 2 ? 0.05 : 0.01;
    return make("input", { type: "range", min: about.low, max: about.high, step, on });
  }
  if (about.kind === "bool") return make("input", { type: "checkbox", on });
  if (!about.choices.length) return make("input", { type: "text", placeholder: about.example, on });
  const { choices, labels } = about;
  return make("select", { on }, ...choices.map((value, i) => make("option", { value, textContent: labels[i] })));
}
