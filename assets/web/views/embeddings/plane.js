// The plane of one network: its points, what can be changed about it, and its files.
import { csvOf } from "../../lib/csv.js";
import { hand, make, press, saveButtons } from "../../lib/dom.js";
import { percent, percentage } from "../../lib/numbers.js";
import { scatterOf } from "../../lib/scatter.js";
import { handFigure } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";

import { dataOf, inFolder, laidOf, setOf } from "./pictures.js";
import { byCluster, clustersOf, entriesOf, litIn, spotsOf, stylesIn } from "./spots.js";

/** @import { EmbeddingsView, Links, Spot } from "../../types.js" */

/**
 * A row of buttons, of which one is pressed.
 *
 * @param {string} key of their `data-` attribute
 * @param {string} label
 * @param {[name: string, text: string][]} names
 * @param {(name: any) => unknown} click
 */
export const choiceOf = (key, label, names, click) =>
  make(
    "div",
    { class: "mv-chips", aria: { role: "group", label } },
    ...names.map(([name, textContent]) =>
      make("button", { class: "mv-chip", data: { [key]: name }, textContent, on: { click: () => click(name) } }),
    ),
  );

/**
 * @param {EmbeddingsView} view
 * @param {object} on
 * @param {(point: Spot | null) => void} on.pointed
 * @param {(point: Spot) => void} on.chosen
 * @param {() => Links} links lines from the chosen picture
 */
export function planeOf(view, on, links) {
  const scatter = scatterOf(on);
  const planes = choiceOf(
    "plane",
    t("embed.plane"),
    ["pca", "tsne"].map((name) => [name, t(`embed.${name}`)]),
    (plane) => view.change({ plane }),
  );
  const colours = choiceOf(
    "colour",
    t("embed.colour"),
    ["class", "cluster"].map((name) => [name, t(`embed.by_${name}`)]),
    (colour) => {
      [view.colour, view.pinned] = [colour, null];
      view.draw();
    },
  );
  const switches = /** @type {const} */ (["ab", "photographs"]).map((name) => ({
    name,
    box: make("input", {
      type: "checkbox",
      name,
      checked: true,
      on: {
        change: ({ target }) => {
          view.visible[name] = target.checked;
          view.draw();
        },
      },
    }),
  }));
  const files = saveButtons(take);
  const checks = switches.map(({ name, box }) =>
    make("label", { class: "mv-check" }, box, t(`embed.show_${name}`)),
  );
  const note = make("p", { class: "mv-small" });
  const more = make("p", { class: "mv-small" });
  const panel = make(
    "section",
    { class: "mv-panel" },
    ...scatter.nodes,
    note,
    make(
      "details",
      { class: "mv-options" },
      make("summary", { textContent: t("embed.options") }),
      make("div", { class: "mv-head" }, planes, colours, make("div", { class: "mv-chips" }, ...checks), files),
      more,
    ),
  );

  function draw() {
    const its = view.network();
    const [folder, laid] = [inFolder(view), laidOf(view, its)];
    const count = folder ? view.own?.names.length : setOf(view).label.length;
    press(planes, "plane", view.plane());
    press(colours, "colour", byCluster(view) ? "cluster" : "class");
    colours.hidden = !clustersOf(view);
    checks[1].hidden = folder;
    scatter.update({
      points: spotsOf(view, its),
      styles: stylesIn(view),
      lit: litIn(view),
      links: links(),
      label: `${t("embed.plot", { network: its.title, plane: t(`embed.${view.plane()}`), count })} ${t("embed.keys")}`,
    });
    note.textContent =
      view.plane() === "pca"
        ? t("embed.pca_is", { share: laid ? percent(laid.explained) : "–" })
        : `${t("embed.tsne_is")} ${t("embed.tsne_own")}`;
    more.textContent = [folder ? "" : stored(), numbers(laid?.here)].filter(Boolean).join(" ");
  }

  /** Which pictures of the data set these are, and how to see them. */
  function stored() {
    const [{ label }, data] = [setOf(view), dataOf(view, view.network())];
    const each = label.filter((one) => one === label[0]).length;
    const which = t("embed.which", { count: label.length, each, all: view.network().card?.images ?? "–", data });
    return view.thumbs && !view.thumbs.url ? `${which} ${t(view.thumbs.reason, { data })}` : which;
  }

  /** @param {Record<string, number> | null | undefined} here */
  const numbers = (here) =>
    here
      ? t("embed.here", {
          images: here.images,
          purity: percentage(here.purity_percent),
          nmi: percentage(here.nmi_percent),
        })
      : "";

  /** @param {string} kind */
  async function take(kind) {
    const its = view.network();
    const name = `mixviz-${its.name}-${view.plane()}.${kind}`;
    if (kind !== "csv") {
      const title = `${its.title} · ${t(`embed.${view.plane()}`)}`;
      const entries = entriesOf(view).flatMap((kind) => kind.entries);
      return handFigure(await scatter.figure(title, entries), kind, name);
    }
    const rows = spotsOf(view, its).map(({ title, cluster = -1, x, y }) => [
      title,
      cluster < 0 ? "" : cluster + 1,
      x,
      y,
    ]);
    hand(csvOf([[t("embed.by_class"), t("embed.by_cluster"), "x", "y"], ...rows]), name);
  }

  const light = () => scatter.update({ lit: litIn(view), links: links() });
  return { panel, node: scatter.nodes[0], draw, light };
}
