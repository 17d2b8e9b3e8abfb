// View of retrieval: a query, the pictures of a gallery that each network finds most similar, and what it looks at.
import { make, partOf } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";

import { matchesOf } from "./retrieval/matches.js";
import { RetrievalModel, working } from "./retrieval/model.js";
import { networksOf } from "./retrieval/networks.js";
import { placesOf } from "./retrieval/places.js";
import { queryOf } from "./retrieval/query.js";
import { rowsOf } from "./retrieval/rows.js";

/** @import { Answer, Context } from "../types.js" */
/** @import { Pair } from "./retrieval/model.js" */

const AGAIN = 2000; // milliseconds between two questions for work that goes on

/** @param {Context} context */
export default function retrievalView({ element, server }) {
  const root = partOf(element);
  const model = new RetrievalModel();
  const pictures = new Sheet();
  const sheet = new Sheet();
  /** @type {Promise<void> | null} */
  let opening = null;
  let ranked = ""; // the query that the rows belong to
  let placed = ""; // the query and network that the maps belong to
  let matched = ""; // the two pictures and the network that the matches belong to
  let filling = false;
  let asking = false;
  let turn = 0;

  /** @param {"a" | "b" | number} wanted */
  function search(wanted) {
    model.query = wanted;
    model.partner = wanted === "b" ? "a" : "b";
    mixviz.note("query", wanted === "a" ? "" : String(wanted));
    update();
  }

  /** @param {string} name of a gallery */
  async function change(name) {
    model.wanted = name === model.gallery.galleries[0].name ? "" : name;
    mixviz.note("gallery", model.wanted);
    opening = open();
    await opening;
    search(typeof model.query === "number" ? "a" : model.query);
  }

  const query = queryOf(model, search, change);
  const rows = rowsOf(model, (index, network) => {
    model.partner = index;
    model.looking = network;
    rows.draw();
    places.draw();
    matches.show();
    look();
    pair();
  });
  const networks = networksOf(model, (names) => {
    model.chosen = names;
    mixviz.note("rows", names.join(","));
    update();
  });
  const places = placesOf(model, () => {
    if (!model.pair) return;
    look();
    pair();
  });
  const matches = matchesOf(model, () => model.pair && pair(), search);
  const whole = make(
    "div",
    { hidden: true },
    make("div", { class: "mv-head" }, make("span", { data: { control: "pictures" } })),
    make("h1", { class: "mv-lead", textContent: t("find.lead") }),
    make(
      "div",
      { class: "mv-find" },
      query.panel,
      make(
        "section",
        { class: "mv-panel", data: { part: "rows" } },
        make("h2", { textContent: t("find.rows") }),
        make("p", { class: "mv-small", textContent: t("find.rows_why") }),
        rows.node,
      ),
    ),
    networks.panel,
    matches.panel,
    places.panel,
    make(
      "details",
      { class: "mv-panel", data: { part: "terms" } },
      make("summary", { textContent: t("find.terms") }),
      make(
        "dl",
        { class: "mv-terms" },
        ...["similarity", "ap", "map", "px_ap"].flatMap((key) => [
          make("dt", { textContent: t(`find.term_${key}`) }),
          make("dd", { textContent: t(`find.term_${key}_is`) }),
        ]),
      ),
    ),
  );
  const waiting = make("p", { class: "mv-told", textContent: t("find.loading"), aria: { role: "status" } });
  root.append(waiting, whole);

  /** @param {string} name @param {object} [more] */
  const ask = (name, more = {}) => mixviz.question(name, 
    { ...mixviz.state, query: model.query, gallery: model.wanted, ...more }, server);

  /** What stays while the view is open: the gallery and the networks. */
  async function open() {
    const { wanted } = model;
    const answer = await ask("gallery");
    if (wanted !== model.wanted) return;
    if (answer.progress) {
      waiting.textContent = working(answer.progress, "find.reading");
      waiting.hidden = false;
      await later();
      return open();
    }
    if (answer.message) {
      opening = null;
      waiting.textContent = answer.message;
      return;
    }
    const url = model.gallery?.gallery === answer.gallery ? model.gallery.url : await sheet.open(answer.sheet);
    model.gallery = { ...answer, url };
    sheet.take(url);
    waiting.hidden = true;
    if (typeof model.query === "number" && model.query >= answer.labels.length) model.query = "a";
  }

  /** Waits until the server is asked again, as long as the view is in sight. */
  async function later() {
    do await new Promise((done) => setTimeout(done, AGAIN));
    while (document.hidden || !root.offsetParent);
  }

  function update() {
    if (ranked !== model.key) model.rows.clear();
    ranked = model.key;
    query.draw();
    networks.draw();
    rows.draw();
    places.draw();
    matches.draw();
    fill();
    look();
    pair();
  }

  /** Asks the networks in sight one after the other, the first first. */
  async function fill() {
    if (filling) return;
    filling = true;
    for (;;) {
      const its = model.shown.find(({ name }) => !model.rows.has(name));
      if (!its) break;
      const { key } = model;
      const answer = await ask("ranked", { searcher: its.name });
      if (key !== model.key) continue;
      model.rows.set(its.name, { ...answer, name: its.name });
      rows.draw();
      root.dataset.shown = String(turn); // the first row is in sight
    }
    filling = false;
    again();
    root.dataset.shown = String(turn);
    root.dataset.rows = String(model.rows.size);
  }

  /** Asks again for the rows of networks that are embedding the gallery. */
  async function again() {
    if (asking || !model.shown.some(({ name }) => model.rows.get(name)?.progress)) return;
    asking = true;
    await later();
    asking = false;
    const { key } = model;
    for (const { name } of model.shown) {
      if (!model.rows.get(name)?.progress) continue;
      const answer = await ask("ranked", { searcher: name });
      if (key !== model.key) break;
      model.rows.set(name, { ...answer, name });
      rows.draw();
    }
    again();
  }

  /** Asks for the maps of the query while their part is open. */
  async function look() {
    if (!places.open()) return;
    const { name } = model.looked;
    const wanted = `${model.key}|${name}|${JSON.stringify(mixviz.state.marks ?? {})}`;
    if (placed === wanted) return;
    placed = wanted;
    places.take(null);
    const answer = await ask("places", { searcher: name });
    if (placed !== wanted) return;
    places.take(answer);
    root.dataset.places = name;
  }

  /** Asks for the matches of the query and its partner while their part is open. */
  async function pair() {
    if (!matches.open()) return;
    const { name } = model.looked;
    const wanted = `${model.key}|${model.keyOf(model.partner)}|${name}`;
    if (matched === wanted) return;
    matched = wanted;
    matches.take(null);
    const answer = await ask("matched", { searcher: name, with: model.partner });
    if (matched !== wanted) return;
    matches.take(answer);
    root.dataset.matches = String(answer.inliers ?? "");
  }

  // Networks join and leave in other views.
  mixviz.watch(({ view }) => {
    if (view !== "retrieval") opening = null;
  });

  mixviz.views("retrieval", async (/** @type {Answer & Pair & { sheet: string }} */ answer) => {
    const mine = ++turn;
    const url = await pictures.open(answer.sheet);
    await (opening ??= open());
    if (mine !== turn || !model.gallery) return URL.revokeObjectURL(url);
    model.pair = { url, places: answer.places, labels: answer.labels };
    whole.hidden = false;
    waiting.hidden = true;
    update();
    pictures.take(url);
  });
}
