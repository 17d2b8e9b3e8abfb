// Presenting: one method, or one step of the lesson, on the whole screen, with arrow keys or a clicker.
import { make } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @type {Record<string, number>} a clicker sends the keys of pages */
const STEPS = { ArrowRight: 1, PageDown: 1, ArrowLeft: -1, PageUp: -1 };
const TYPED = "input, select, textarea, [role=application], .mv-grab, .mv-handle";

/** @param {HTMLElement} root the page @param {HTMLElement} button that is focused afterwards */
export function presentOf(root, button) {
  /** @param {string} key @param {string} text @param {() => unknown} run */
  const go = (key, text, run) =>
    make("button", { class: "mv-button", textContent: text, aria: { label: t(key) }, on: { click: run } });
  const bar = make(
    "div",
    { class: "mv-presenter", hidden: true, aria: { role: "group", label: t("present") } },
    go("present.previous", "←", () => mixviz.step(-1)),
    go("present.next", "→", () => mixviz.step(1)),
    go("present.end", "✕", () => present(false)),
  );
  const on = () => !bar.hidden;

  /** @param {boolean} wanted @param {boolean} [full] with the whole screen, which a browser gives after a click only */
  function present(wanted, full = true) {
    if (wanted && mixviz.state.view !== "learn") mixviz.open("learn");
    bar.hidden = !wanted;
    root.classList.toggle("mv-presenting", wanted);
    mixviz.note("present", wanted ? 1 : null);
    mixviz.set({}); // the label bar has another size
    if (!full) return;
    if (wanted) document.documentElement.requestFullscreen?.().catch(() => {}); // without it, the window is the screen
    else if (document.fullscreenElement) document.exitFullscreen();
    if (!wanted) button.focus();
  }

  addEventListener("keydown", (event) => {
    if (!on() || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return present(false);
    const by = STEPS[event.key];
    if (!by || (event.target instanceof Element && event.target.matches(TYPED))) return;
    event.preventDefault();
    mixviz.step(by);
  });
  document.addEventListener("fullscreenchange", () => on() && !document.fullscreenElement && present(false, false));
  root.append(bar);
  return present;
}
