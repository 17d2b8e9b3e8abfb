// What comes with the page: its state, its frame, and the first view. Gradio runs a line of its own when the page's
// component appears (mixviz/ui/scripts.py), which leads here.
import "./lib/page.js";
import { setTexts } from "./lib/texts.js";
import frame from "./parts/frame.js";
import learn from "./views/learn.js";

/** @import { PageContext } from "./types.js" */

/** @param {PageContext} context what Gradio gives */
export async function start(context) {
  setTexts(await window.mixvizTexts);
  frame(context, { learn });
}
