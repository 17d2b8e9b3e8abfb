// The visitor's own folder: uploaded picture by picture, checked in parts, then embedded by a network.
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { sendFolder } from "../../lib/sending.js";
import { t } from "../../lib/texts.js";

import { COLUMNS, answersOf } from "./answers.js";

/** @import { EmbeddingsView } from "../../types.js" */

export const MOST = 300;

/** @param {EmbeddingsView} view @param {ReturnType<typeof answersOf>["rank"]} rank */
export function folderOf(view, rank) {
  let folders = 0;

  /** @param {HTMLInputElement} input */
  async function send(input) {
    const files = [...(input.files ?? [])];
    input.value = "";
    if (!files.length) return;
    view.inputs.forEach((each) => {
      each.disabled = true;
    });
    try {
      const sent = await sendFolder(view.context, files, MOST, (text) => {
        view.progress.textContent = text;
      });
      view.missing.replaceChildren(...sent.left.map((reason) => make("li", { textContent: reason })));
      view.own?.sheets.forEach(({ url }) => url && URL.revokeObjectURL(url));
      view.own = { ...sent, laid: {}, shown: false };
      await layOut(view.network().name);
    } catch (error) {
      view.progress.textContent = /** @type {Error} */ (error).message;
    } finally {
      view.inputs.forEach((each) => {
        each.disabled = false;
      });
      if (view.own && Object.keys(view.own.laid).length) [view.own.shown, view.pinned] = [true, null];
      view.drawAll();
      if (view.own?.shown) view.scatter.nodes[0].scrollIntoView({ block: "center" });
      view.root().dataset.folder = String(++folders);
    }
  }

  /** @param {string} name @param {boolean} [plot] */
  async function layOut(name, plot = view.plane() === "tsne") {
    const mine = view.own;
    if (!mine) return;
    const before = mine.laid[name];
    if (before && (before.tsne || !plot)) return;
    view.progress.textContent = t(plot ? "embed.laying_tsne" : "embed.laying", {
      network: view.fixed.networks.find((its) => its.name === name)?.title,
    });
    const answer = await mixviz.question(
      "lay_out",
      { files: mine.paths, names: mine.names, network: name, tsne: plot },
      view.context.server,
    );
    if (mine !== view.own) return;
    if (answer.message) throw new Error(answer.message);
    mine.laid[name] = answer;
    const { known, others, paths } = mine;
    view.progress.textContent = [
      t("embed.done", { count: paths.length, classes: answer.classes.length }),
      known > MOST ? t("embed.some", { n: known, most: MOST }) : "",
      others ? t("embed.others", { count: others }) : "",
      answer.here ? "" : t(answer.classes.length ? "embed.few_classes" : "embed.no_classes"),
    ]
      .filter(Boolean)
      .join(" ");
    view.drawAll();
  }

  async function measureAll() {
    view.all.disabled = true;
    try {
      for (const its of view.fixed.networks) await layOut(its.name);
    } catch (error) {
      view.progress.textContent = /** @type {Error} */ (error).message;
    }
    view.all.disabled = false;
  }

  const laidOut = () => view.fixed.networks.filter(({ name }) => view.own?.laid[name]);

  function drawOwn() {
    const measured = laidOut();
    view.all.hidden = !measured.length || measured.length === view.fixed.networks.length;
    view.ownTable.hidden = !measured.some(({ name }) => view.own?.laid[name].here);
    if (!view.ownTable.hidden)
      rank(view.ownTable, COLUMNS.slice(0, 4), measured, ({ name }) => view.own?.laid[name]?.here);
  }

  return { send, layOut, measureAll, drawOwn };
}
