// How many networks have answered, with a button that stops and one that goes on.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { LookModel } from "./model.js" */

/** @param {LookModel} model @param {() => string[]} missing networks that have not answered yet */
export function waitingLine(model, missing) {
  const progress = make("progress", { aria: { label: t("look.working") } });
  const stop = make("button", {
    class: "mv-button",
    textContent: t("look.stop"),
    on: { click: () => mixviz.stop() && update() },
  });
  const onward = make("button", {
    class: "mv-button",
    textContent: t("look.onward"),
    on: { click: () => mixviz.set({}) },
  });
  const told = make("p", { class: "mv-small", aria: { role: "status" } });
  const node = make("div", { class: "mv-waits" }, progress, stop, onward, told);

  function update() {
    const all = model.shown.length;
    const done = all - missing().length;
    const halted = mixviz.stopped();
    const waits = done < all && !halted;
    node.hidden = done === all && !model.value.slow;
    progress.hidden = stop.hidden = !waits;
    onward.hidden = done === all || !halted;
    Object.assign(progress, { max: all, value: done });
    if (done < all) told.textContent = t(waits ? "look.waits" : "look.stopped", { done, all });
    else told.textContent = model.value.slow ? t("look.slow") : "";
  }
  return { node, update };
}
