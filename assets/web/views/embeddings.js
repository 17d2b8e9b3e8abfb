// View of embeddings: pictures in each network's plane, their nearest, and the networks' numbers.
import { make, partOf, press, within } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { networkName, t } from "../lib/texts.js";

import { answersOf } from "./embeddings/answers.js";
import { folderOf } from "./embeddings/folder.js";
import { legendOf } from "./embeddings/legend.js";
import { nearestOf } from "./embeddings/nearest.js";
import { networksOf } from "./embeddings/networks.js";
import { inFolder, setOf } from "./embeddings/pictures.js";
import { choiceOf, planeOf } from "./embeddings/plane.js";

/** @import { Context, EmbeddingsView, Network, Placement } from "../types.js" */

/** @param {Context} context */
export default function embeddingsView(context) {
  const { server } = context;
  const root = partOf(context.element);
  let turn = 0;
  let latest = -1; // version of the question that was answered last
  /** @type {Promise<void> | null} */
  let opening = null;
  let placing = false;

  /** @type {EmbeddingsView} */
  const view = {
    context,
    root,
    // What the server answers comes before anything is drawn.
    fixed: /** @type {any} */ (null),
    value: /** @type {any} */ (null),
    photos: /** @type {any} */ (null),
    thumbs: null,
    own: null,
    colour: "class",
    hovered: null,
    pinned: null,
    subject: "a",
    pointed: null,
    visible: { ab: true, photographs: true },
    network: () =>
      view.fixed.networks.find(({ name }) => name === (mixviz.state.network || view.value.network)) ??
      view.fixed.networks[0],
    plane: () => mixviz.state.plane,
    change,
    draw,
  };

  const nearest = nearestOf(view);
  const small = networksOf(view);
  const plane = planeOf(
    view,
    {
      pointed: (point) => {
        view.pointed = point && isPicture(point.key) ? (point.key ?? null) : null;
        nearest.draw();
        plane.light();
      },
      chosen: ({ key }) => isPicture(key) && nearest.choose(key ?? ""),
    },
    nearest.links,
  );
  const legend = legendOf(view, () => {
    plane.light();
    small.draw();
  });
  const answers = answersOf(view, nearest.current);
  const folder = folderOf(view, answers.rank);

  const choose = make("select", {
    id: "mv-embed-network",
    on: { change: ({ target }) => change({ network: target.value }) },
  });
  const sources = choiceOf(
    "source",
    t("embed.source"),
    ["stored", "own"].map((name) => [name, t(`embed.source_${name}`)]),
    (name) => {
      if (view.own) view.own.shown = name === "own";
      view.pinned = null;
      draw();
    },
  );
  /** @param {string} key @param {...Node} children */
  const part = (key, ...children) =>
    make("details", { class: "mv-panel", data: { part: key } }, make("summary"), ...children);
  const parts = [
    part("neighbours", nearest.networks),
    part("far", ...answers.far),
    part("numbers", ...answers.numbers),
    part("folder", ...folder.nodes),
  ];
  parts[0].addEventListener("toggle", () => view.value && place());
  const whole = make(
    "div",
    { hidden: true },
    make(
      "div",
      { class: "mv-head" },
      make("span", { data: { control: "pictures" } }),
      make(
        "span",
        { class: "mv-embed-choice" },
        make("label", { htmlFor: choose.id, textContent: t("embed.network") }),
        choose,
      ),
      sources,
    ),
    make("h1", { class: "mv-lead", textContent: t("embed.lead") }),
    make("div", { class: "mv-embed" }, plane.panel, make("div", {}, nearest.panel, legend.panel)),
    make(
      "section",
      { class: "mv-panel", data: { part: "side_by_side" } },
      make("h2", { textContent: t("embed.side_by_side") }),
      small.node,
    ),
    ...parts,
  );
  const waiting = make("p", { class: "mv-told", textContent: t("embed.loading"), aria: { role: "status" } });
  root.append(waiting, whole);

  /** May a point be shown as a picture of its own? @param {string | undefined} key */
  function isPicture(key) {
    return !!key && !key.startsWith("stored:");
  }

  function draw() {
    choose.value = view.network().name;
    press(sources, "source", inFolder(view) ? "own" : "stored");
    sources.hidden = !view.own?.names.length;
    legend.draw();
    nearest.draw();
    plane.draw();
    small.draw();
    nearest.drawNetworks();
    answers.draw();
    folder.draw();
    for (const node of parts)
      within(node, "summary").textContent = t(`embed.${node.dataset.part}`, { picture: nearest.name() });
  }

  /** @param {Partial<import("../types.js").State>} changes */
  function change(changes) {
    Object.assign(mixviz.state, { network: view.network().name }, changes);
    folder.layOut();
    draw();
    mixviz.set({});
  }

  /** What stays while the page is open: the stored embeddings, and the bundled photographs in them. */
  async function open() {
    const asked = { overview: {}, photographs: { only: [], still: true } };
    const [known, photos] = await Promise.all(
      Object.entries(asked).map(([name, question]) => mixviz.question(name, question, server)),
    );
    const message = known.message ?? photos.message;
    if (message) {
      opening = null;
      return mixviz.say(message);
    }
    view.photos = { ...photos, url: await new Sheet().open(photos.sheet) };
    view.fixed = {
      ...known,
      networks: known.networks.map((/** @type {Network} */ its) => ({
        ...its,
        title: networkName(its.name, its.title),
      })),
    };
    choose.replaceChildren(
      ...view.fixed.networks.map(({ name, title }) => make("option", { value: name, textContent: title })),
    );
    folder.start();
    small.start();
  }

  /** Places the bundled photographs in the chosen network's embedding, in sight of their nearest in every network's. */
  async function place() {
    if (placing) return;
    placing = true;
    for (;;) {
      const { value } = view;
      const every = nearest.networks.closest("details")?.open ? view.fixed.networks.map(({ name }) => name) : [];
      const name = [view.network().name, ...every].find((one) => !(one in value.between));
      if (!name) break;
      const answer = await mixviz.question("photographs", { ...mixviz.state, only: [name] }, server);
      if (value.version !== view.value.version) continue;
      if (answer.message) {
        mixviz.say(answer.message);
        break;
      }
      view.photos.photographs.forEach((photo, i) => {
        for (const key of /** @type {const} */ (["placed", "similarity"]))
          Object.assign(photo[key], answer.photographs[i][key]);
      });
      for (const key of /** @type {const} */ (["a", "b"])) Object.assign(view.value.similarity[key], answer.alike[key]);
      Object.assign(view.value.between, answer.between);
      draw();
      root.dataset.shown = String(turn); // the chosen network is the first
    }
    placing = false;
  }

  async function thumbnails() {
    const answer = await mixviz.question("thumbnails", { network: view.network().name }, server);
    const url = answer.sheet && (await new Sheet().open(answer.sheet));
    view.thumbs = {
      url,
      set: view.network().set,
      columns: answer.columns,
      rows: Math.ceil(setOf(view).label.length / (answer.columns || 1)),
      reason: answer.reason ?? "embed.data_none",
    };
    draw();
    root.dataset.thumbnails = String(!!url);
  }

  mixviz.views("embeddings", async (/** @type {Placement & { pictures: Record<string, string> }} */ answer) => {
    const mine = ++turn;
    latest = answer.version;
    const urls = await Promise.all(["a", "b"].map((key) => new Sheet().open(answer.pictures[key])));
    await (opening ??= open());
    if (answer.version !== latest || !view.fixed) return urls.forEach((url) => URL.revokeObjectURL(url));
    const first = !view.value;
    view.value?.urls.forEach((url) => URL.revokeObjectURL(url));
    const { value } = view;
    const more = value?.version === answer.version; // further networks of the same question
    const { similarity, between } = more ? value : { similarity: { a: {}, b: {} }, between: {} };
    const before = more ? value.placed : { a: {}, b: {} };
    const placed = { a: { ...before.a, ...answer.placed.a }, b: { ...before.b, ...answer.placed.b } };
    view.value = { ...answer, urls, placed, similarity, between };
    whole.hidden = false;
    waiting.hidden = true;
    folder.layOut();
    draw();
    if (view.network().name in view.value.between) root.dataset.shown = String(mine);
    place();
    if (!first) return;
    // light or dark
    new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    thumbnails();
  });
}
