// View of heat maps: where networks look on A, B or their mixture, a card per network. The display (scale, colours,
// strength, threshold, difference) is computed here, so that a change needs no network.
import { make, partOf } from "../lib/dom.js";
import { bytesOf } from "../lib/heat.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";
import { asideLine } from "./localize/aside.js";
import { cardList } from "./localize/cards.js";
import { confidenceLine } from "./localize/confidence.js";
import { enlarger } from "./localize/enlarge.js";
import { faithPanel } from "./localize/faith.js";
import { familyLine } from "./localize/families.js";
import { galleryPart } from "./localize/gallery.js";
import { LookModel, PLAIN } from "./localize/model.js";
import { networkChoice } from "./localize/networks.js";
import { labelNotice } from "./localize/notice.js";
import { ownPanel } from "./localize/own.js";
import { painterOf } from "./localize/paint.js";
import { requestRow } from "./localize/request.js";
import { settingsDrawer } from "./localize/settings.js";
import { stageOf } from "./localize/stage.js";
import { takePanel } from "./localize/take.js";
import { verdictOf } from "./localize/verdict.js";
import { waitingLine } from "./localize/waiting.js";

/** @import { About, Context, LookAnswer } from "../types.js" */

const OF_COLOURS = ["scale", "colours", "to", "strength"];

/** @param {Context} context */
export default function localizeView({ element, server }) {
  const root = partOf(element);
  const model = new LookModel();
  /** @type {Record<string, Uint8Array>} */
  const tables = {};
  const sheet = new Sheet();
  let order = "given";
  let turn = 0;

  const title = make("h1");
  const painter = painterOf(model, tables);
  const networks = networkChoice(model, draw);
  const request = requestRow(model);
  const notice = labelNotice(model);
  const stage = stageOf(model, numbers);
  const verdict = verdictOf(model, { draw: stage.draw, changed: numbers });
  const large = enlarger(model, painter);
  const cards = cardList(model, painter, stage.node, { light: verdict.light, enlarge: large.open });
  const faith = faithPanel(model, server);
  const sort = (/** @type {string} */ by) => {
    order = by;
    cards.arrange(order);
  };
  const gallery = galleryPart(server, async (name) => {
    const about = await ask();
    if (about.message) return mixviz.say(about.message);
    learn(about);
    networks.show(name);
  });
  const settings = settingsDrawer(
    model,
    { display, sort },
    stage.buttons,
    make("div", { class: "mv-field" }, make("span", { textContent: t("look.networks") }), networks.groups),
    gallery.node,
    faith.node,
  );
  const aside = asideLine(model, draw);
  const families = familyLine(model, networks);
  const confidence = confidenceLine(model);
  const waiting = waitingLine(model, networks.missing);
  const take = takePanel(model);
  const own = ownPanel(server, (answer) => {
    learn(answer);
    networks.join(`own_${mixviz.state.own.length + 1}`);
  });
  root.append(
    make("div", { class: "mv-look-asked" }, ...request.nodes),
    settings.node,
    notice.node,
    make("div", { class: "mv-lead" }, title, make("p", { class: "mv-told", textContent: t("look.lead") })),
    families.node,
    cards.node,
    aside.node,
    confidence.node,
    make("div", { class: "mv-look-more" }, networks.more, waiting.node),
    verdict.node,
    verdict.more,
    take.node,
    own,
    large.node,
  );

  /** What the networks are: asked while their first maps are made, and when there are new ones. */
  const ask = () => mixviz.question("about", { own: mixviz.state.own }, server);
  /** @type {Promise<any> | null} */
  let known = ask();

  /** @param {About} about */
  function learn(about) {
    model.about = about;
    for (const [name, text] of Object.entries(about.colours)) tables[name] = bytesOf(text);
    const offered = Object.keys(tables).filter((name) => name !== "PuOr_r");
    if (!offered.includes(model.show.colours)) model.show.colours = PLAIN.colours;
    if (!(model.show.to in about.networks)) model.show.to = PLAIN.to;
    settings.learn(offered);
  }

  /** Changes how the maps are shown. @param {Partial<LookModel["show"]>} change */
  function display(change) {
    Object.assign(model.show, change);
    for (const [key, value] of Object.entries(change))
      mixviz.note(key, value === PLAIN[/** @type {keyof typeof PLAIN} */ (key)] ? "" : String(value));
    if (!model.answer) return;
    if (Object.keys(change).some((key) => OF_COLOURS.includes(key))) colour();
    numbers();
  }

  /** The question that the maps answer. */
  function titled() {
    const { slots, value } = model;
    if (slots.some((slot) => value.classes[slot].name === "*")) return t("tab_localize");
    const [name, other] = slots.map((slot) => model.nameOf(slot));
    return t(other ? "look.title_both" : "look.title", { name, other });
  }

  function colour() {
    root.style.setProperty("--mv-strength", String(model.show.strength));
    painter.measure();
    cards.paint();
  }

  /** Boxes, numbers and words. */
  function numbers() {
    const key = painter.key();
    cards.numbers();
    stage.update(key);
    settings.update(key.why);
    verdict.update();
    if (order !== "given") cards.arrange(order);
    large.update();
  }

  function draw() {
    title.textContent = titled();
    cards.arrange(order);
    colour();
    numbers();
    faith.update();
    aside.update();
    families.update();
    confidence.update();
    waiting.update();
    take.update();
  }

  mixviz.views("localize", async (/** @type {LookAnswer} */ answer) => {
    const mine = ++turn;
    // Another visitor may have fetched a network meanwhile.
    if (answer.all.some((name) => !(name in model.about.networks))) {
      const about = await (known ?? ask());
      known = null;
      if (about.message) return mixviz.say(about.message);
      learn(about);
    }
    const url = await sheet.open(answer.subject.picture);
    if (model.answer && model.value.place !== answer.place) stage.leave();
    model.answer = answer;
    networks.take(answer);
    cards.sweep();
    root.style.setProperty("--mv-picture", `url("${url}")`);
    stage.picture(url);
    sheet.take(url);
    const centre = { ...answer.centre, looks: [{ ...answer.centre }, { ...answer.centre }] };
    for (const row of [...answer.rows, centre]) {
      for (const look of row.looks ?? []) look.bytes = bytesOf(look.map);
      cards.take(row);
    }
    request.update(settings.fields);
    notice.update();
    draw();
    root.dataset.shown = String(mine);
    if (networks.missing().length && !answer.pending.length && !mixviz.stopped()) mixviz.fill();
  });
}
