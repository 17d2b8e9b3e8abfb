// Code with a button to copy it.
import { make } from "./dom.js";
import { t } from "./texts.js";

/**
 * Lines of code with a copy button, which selects them if the browser refuses to copy.
 *
 * @param {string} [text]
 * @param {Record<string, string>} [aria] attributes of the lines
 */
export function codePanel(text = "", aria = {}) {
  const code = make("code", { textContent: text });
  const copied = make("span", { class: "mv-small", aria: { role: "status" } });
  async function run() {
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
    } catch {
      getSelection()?.selectAllChildren(code);
      return;
    }
    copied.textContent = t("code_copied");
    setTimeout(() => (copied.textContent = ""), 2000);
  }
  const copy = make("button", { class: "mv-button", textContent: t("copy_code"), on: { click: run } });
  /** @param {string} lines */
  const update = (lines) => {
    code.textContent = lines;
  };
  const nodes = [make("pre", { tabIndex: 0, aria }, code), make("div", { class: "mv-chips" }, copy, copied)];
  return { nodes, update };
}
