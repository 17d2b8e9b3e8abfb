// Where the page's script and the server meet, and the line that says what went wrong.
import { make, partOf } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Context } from "../types.js" */

/**
 * @typedef {object} Known
 * @property {Record<string, string>} labels what the bundled photographs show, by their files' stems
 * @property {Record<string, [title: string, family: string]>} methods
 */

/** @param {Context<Known>} context */
export default function bridge({ element, trigger, props, server }) {
  const { labels, methods } = props.value;
  partOf(element).append(make("p", { class: "mv-message", aria: { role: "status" } }));
  mixviz.knows({
    methods,
    labels: Object.fromEntries(Object.entries(labels).map(([stem, label]) => [stem, t(`object.${label}`)])),
  });
  // Gradio's own inputs ask the system for image/*, which seldom has HEIC or JPEG 2000 among them.
  document.addEventListener(
    "click",
    ({ target }) => {
      const picture = target instanceof Element ? target.closest("#image_a, #image_b") : null;
      const input = /** @type {HTMLInputElement | null | undefined} */ (picture?.querySelector("input[type=file]"));
      if (input) input.accept = `image/*,${t("endings")}`;
    },
    true,
  );
  mixviz.restore = (state) => {
    mixviz.restoring = true;
    trigger("input", { ...state, language: mixviz.language() });
  };
  if (mixviz.wanted) mixviz.restore(mixviz.wanted);
  mixviz.serve(server);
}
