// What comes with the page: its state, the first view, and the parts around all views. Gradio runs a line of its own
// for each component that appears (mixviz/ui/scripts.py), which leads here.
import "./lib/page.js";
import { setTexts, t } from "./lib/texts.js";
import bridge from "./parts/bridge.js";
import lesson from "./parts/lesson.js";
import pairs from "./parts/pairs.js";
import grid from "./views/grid.js";
import { partOf } from "./lib/dom.js";

/** @import { Context, Script } from "./types.js" */

/** @type {Record<string, Script<any>>} */
const here = { "parts/bridge.js": bridge, "parts/lesson.js": lesson, "parts/pairs.js": pairs, "views/grid.js": grid };

/**
 * Runs a component's script; one that did not come with the page is fetched when its view is opened.
 *
 * @param {string} path the script's module
 * @param {string[]} needs the modules that it imports, so that all are fetched at once
 * @param {Context<any>} context what Gradio gives
 */
export async function start(path, needs, context) {
  setTexts(JSON.parse(context.props.label));
  if (path in here) return here[path](context);
  for (const module of needs) preload(new URL(module, import.meta.url).href);
  const wanted = new URL(path, import.meta.url).href;
  const module = await import(wanted).catch(() => import(`${wanted}?again`)).catch(() => null);
  if (module) module.default(context);
  else partOf(context.element).textContent = t("reload");
}

/** @param {string} href */
function preload(href) {
  const link = document.createElement("link");
  Object.assign(link, { rel: "modulepreload", href });
  document.head.append(link);
}
