// The visitor's own folder: uploaded picture by picture, checked in parts, then embedded by a network.
import { make, within } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { sendFolder } from "../../lib/sending.js";
import { t } from "../../lib/texts.js";

import { COLUMNS, answersOf, wideOf } from "./answers.js";
import { inFolder } from "./pictures.js";

/** @import { EmbeddingsView, Network } from "../../types.js" */

const MOST = 300;

/** @param {EmbeddingsView} view @param {ReturnType<typeof answersOf>["rank"]} rank */
export function folderOf(view, rank) {
  let folders = 0;
  const progress = make("p", { class: "mv-told", aria: { role: "status" } });
  const missing = make("ul", { class: "mv-small mv-left-out" });
  const table = wideOf("folder");
  const inputs = /** @type {[string, object][]} */ ([
    ["folder", { webkitdirectory: true }],
    ["pictures", { accept: `image/*,${t("endings")}` }],
  ]).map(([name, more]) =>
    make("input", { type: "file", multiple: true, name, ...more, on: { change: (event) => send(event.target) } }),
  );
  const all = make("button", { class: "mv-button", textContent: t("embed.all"), on: { click: measureAll } });
  const nodes = [
    make("p", { class: "mv-told", textContent: t("embed.folder_why", { most: MOST }) }),
    make(
      "div",
      { class: "mv-load" },
      ...inputs.map((input) => make("label", { class: "mv-file" }, t(`embed.choose_${input.name}`), input)),
      all,
    ),
    progress,
    missing,
    table,
  ];

  /** @param {unknown} error */
  const tell = (error) => {
    progress.textContent = /** @type {Error} */ (error).message;
  };
  /** @param {string[]} reasons */
  const leave = (reasons) => missing.replaceChildren(...reasons.map((textContent) => make("li", { textContent })));

  /** Says which networks have no stored embedding. */
  const start = () => leave(Object.entries(view.fixed.left_out).map(([name, reason]) => `${name}: ${reason}`));

  /** @param {HTMLInputElement} input */
  async function send(input) {
    const files = [...(input.files ?? [])];
    input.value = "";
    if (!files.length) return;
    inputs.forEach((each) => {
      each.disabled = true;
    });
    try {
      const sent = await sendFolder(view.context, files, MOST, (text) => {
        progress.textContent = text;
      });
      leave(sent.left);
      view.own?.sheets.forEach(({ url }) => url && URL.revokeObjectURL(url));
      view.own = { ...sent, laid: {}, shown: false };
      await laidOut(view.network());
      [view.own.shown, view.pinned] = [true, null];
    } catch (error) {
      tell(error);
    }
    inputs.forEach((each) => {
      each.disabled = false;
    });
    view.draw();
    if (view.own?.shown) within(view.root, ".mv-scatter").scrollIntoView({ block: "center" });
    view.root.dataset.folder = String(++folders);
  }

  /** Lays the folder out by a network, with A and B among it, unless that was done. @param {Network} its */
  async function laidOut(its) {
    const mine = view.own;
    const plot = view.plane() === "tsne";
    const beside = [mixviz.state.a, mixviz.state.b];
    const before = mine?.laid[its.name];
    if (!mine || (before && before.pair === beside.join() && (before.tsne || !plot))) return;
    progress.textContent = t(plot ? "embed.laying_tsne" : "embed.laying", { network: its.title });
    const answer = await mixviz.question(
      "lay_out",
      { files: mine.paths, names: mine.names, beside, network: its.name, tsne: plot },
      view.context.server,
    );
    if (mine !== view.own) return;
    if (answer.message) throw new Error(answer.message);
    mine.laid[its.name] = { ...answer, pair: beside.join() };
    const { known, others, paths } = mine;
    progress.textContent = [
      t("embed.done", { count: paths.length, classes: answer.classes.length }),
      known > MOST ? t("embed.some", { n: known, most: MOST }) : "",
      others ? t("embed.others", { count: others }) : "",
      answer.here ? "" : t(answer.classes.length ? "embed.few_classes" : "embed.no_classes"),
    ]
      .filter(Boolean)
      .join(" ");
    view.draw();
  }

  async function measureAll() {
    all.disabled = true;
    try {
      for (const its of view.fixed.networks) await laidOut(its);
    } catch (error) {
      tell(error);
    }
    all.disabled = false;
  }

  /** Lays out what is shown, where the folder is. */
  const layOut = () => (inFolder(view) ? laidOut(view.network()).catch(tell) : undefined);

  function draw() {
    const measured = view.fixed.networks.filter(({ name }) => view.own?.laid[name]);
    all.hidden = !measured.length || measured.length === view.fixed.networks.length;
    table.hidden = !measured.some(({ name }) => view.own?.laid[name].here);
    if (!table.hidden) rank(table, COLUMNS.slice(0, 4), measured, ({ name }) => view.own?.laid[name]?.here);
  }

  return { nodes, start, layOut, draw };
}
