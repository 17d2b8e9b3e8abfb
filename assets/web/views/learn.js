// The view that opens first: A + B = mixture, with the label that the network is told, and why it is what it is.
import { labelBar, make, outline, partOf, place, press } from "../lib/dom.js";
import { grabOf } from "../lib/grab.js";
import { percent } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { reasonOf } from "../lib/reason.js";
import { Sheet } from "../lib/sheets.js";
import { className, networkName, t } from "../lib/texts.js";

/** @import { Context, Learn, Looks, Others } from "../types.js" */

const QUIET = 250; // ms without a change, after which what lies further down is asked for

/** @param {Context} context */
export default function learnView({ element, server }) {
  const root = partOf(element);
  const sheet = new Sheet();
  /** @type {Learn | null} */
  let shown = null;
  let turn = 0;
  let heat = false; // saliency in place of the pictures

  const title = make("h1");
  const methods = make("div", { class: "mv-chips mv-methods", aria: { role: "group", label: t("method") } });
  const [a, b] = /** @type {const} */ (["a", "b"]).map((letter) => {
    const tile = make("span", { class: "mv-tile", aria: { role: "img" } });
    const caption = make("b");
    const node = make(
      "button",
      { class: `mv-hero-picture mv-hero-${letter}`, on: { click: () => mixviz.pick(letter) } },
      tile,
      make("span", { class: "mv-letter", textContent: letter.toUpperCase() }),
      caption,
    );
    return { letter, tile, caption, node };
  });
  const mixed = make("div", { class: "mv-layer", aria: { role: "img" } });
  const mixture = make("div", { class: "mv-tile mv-hero-mixture" }, mixed);
  const box = make("div", { class: "mv-box" });
  const grab = grabOf(mixture, t("move"), (edges) => mixviz.set({ box: edges, mask: null }));
  mixture.append(box, grab.node);
  const why = reasonOf();
  /** @param {string} key @param {() => unknown} run @param {string} [name] */
  const button = (key, run, name = "mv-button") =>
    make("button", { class: name, textContent: t(key), on: { click: run } });
  const look = button("learn.saliency", () => {
    heat = !heat;
    look.setAttribute("aria-pressed", String(heat));
    if (shown) draw(shown);
  });
  look.setAttribute("aria-pressed", "false");
  const undo = button("undo", () => {
    mixviz.set({ box: null, mask: null });
    draws.focus(); // this button is about to go
  });
  const draws = button("learn.draw", () => mixviz.change({ seed: Math.floor(Math.random() * 10000) }));
  const begin = button("learn.lesson", async () => (await lessonHere()).open(1), "mv-button mv-primary");
  /** @param {string} selector the part of the view of one method */
  const beyond = (selector) => () => {
    mixviz.open("detail");
    const wait = setInterval(() => {
      const part = document.querySelector(selector);
      if (!part?.closest("[data-shown]")) return;
      clearInterval(wait);
      part.scrollIntoView({ block: "center" });
    }, 50);
  };
  const actions = make(
    "div",
    { class: "mv-chips mv-hero-actions" },
    draws,
    look,
    button("learn.steps", beyond(".mv-player")),
    button("learn.code", () => mixviz.open("code")),
    undo,
    make("span", { data: { control: "more" } }),
    begin,
  );
  const hero = make(
    "section",
    { class: "mv-hero" },
    make("div", { class: "mv-hero-head" }, title, methods),
    make(
      "div",
      { class: "mv-sum" },
      a.node,
      make("span", { class: "mv-sign", textContent: "+", aria: { hidden: true } }),
      b.node,
      make("span", { class: "mv-sign mv-equals", textContent: "=", aria: { hidden: true } }),
    ),
    mixture,
    make(
      "div",
      { class: "mv-hero-text" },
      make("div", { class: "mv-hero-label" }, make("p", { class: "mv-small", textContent: t("learn.told") }), why.bar),
      make("div", { class: "mv-hero-why" }, ...why.nodes),
    ),
    make("div", { class: "mv-hero-lam", data: { control: "lam" } }),
    actions,
  );
  /** @type {ReturnType<import("./learn/lesson.js").lessonOf> | undefined} loaded when somebody takes it */
  let lesson;
  async function lessonHere() {
    const { lessonOf } = await import("./learn/lesson.js");
    lesson ??= lessonOf(server, () => begin.focus());
    root.prepend(lesson.node);
    return lesson;
  }
  /** Shows the lesson's step of the address. @param {boolean} [restore] */
  const follow = async (restore) => {
    const { searchParams } = new URL(location.href);
    if (lesson || searchParams.has("lesson")) (await lessonHere()).follow(restore);
  };
  addEventListener("popstate", () => follow());
  follow(!new URL(location.href).searchParams.has("a"));
  mixviz.step = (by) => {
    if (lesson?.move(by) || !shown) return;
    const names = shown.essentials;
    const next = names.indexOf(shown.card.name) + by;
    choose(names[(next + names.length) % names.length]);
  };

  // Below: where a trained network looks, and what the other methods make of the same two pictures.
  const looks = make("div", { class: "mv-two-maps" });
  const looksLead = make("p", { class: "mv-small" });
  const others = make("div", { class: "mv-others" });
  const below = [
    {
      node: make(
        "section",
        { class: "mv-panel mv-learn-looks" },
        make("h2", { textContent: t("learn.looks") }),
        looksLead,
        looks,
        button("learn.compare", () => mixviz.open("localize", { subject: "mix" })),
      ),
      ask: askLooks,
      asked: "",
      seen: false,
    },
    {
      node: make(
        "section",
        { class: "mv-panel" },
        make("h2", { textContent: t("learn.others") }),
        others,
        button("learn.all", () => mixviz.open("grid")),
      ),
      ask: askOthers,
      asked: "",
      seen: false,
    },
  ];
  root.append(hero, ...below.map(({ node }) => node));

  const sheets = { looks: new Sheet(), others: new Sheet() };
  async function askLooks() {
    /** @type {Looks} */
    const value = await mixviz.question("maps", mixviz.state, server);
    if (value.message) return void (looksLead.textContent = value.message);
    const url = await sheets.looks.open(value.sheet);
    const lead = t(value.same ? "learn.network" : "learn.network_other", {
      name: networkName(value.network, value.title),
    });
    const known = { count: value.count, letters: value.lacking.join("").toUpperCase() };
    const lacking = t(value.lacking.length > 1 ? "learn.lacking_both" : "learn.lacking", known);
    looksLead.textContent = value.lacking.length ? `${lead} ${lacking}` : lead;
    looks.replaceChildren(
      ...value.classes.map((name, i) => {
        const tile = make("div", { class: "mv-tile", aria: { role: "img", label: className(name) } });
        place(tile, url, i, value.classes.length);
        const text = t("learn.map", { name: className(name), probability: percent(value.probability[i]) });
        return make("figure", {}, tile, make("figcaption", { textContent: text }));
      }),
    );
    sheets.looks.take(url);
  }
  async function askOthers() {
    /** @type {Others} */
    const value = await mixviz.question("others", mixviz.state, server);
    if (value.message) return;
    const url = await sheets.others.open(value.sheet);
    others.replaceChildren(
      ...value.names.map((name, i) => {
        const [method] = mixviz.methods[name];
        const tile = make("span", { class: "mv-tile" });
        place(tile, url, i, value.names.length);
        const share = labelBar(0);
        share.update([mixviz.state.name_a ?? "A", mixviz.state.name_b ?? "B"], value.shares[i]);
        return make(
          "button",
          { class: "mv-other", on: { click: () => choose(name) } },
          tile,
          share.node,
          make("span", { textContent: method }),
        );
      }),
    );
    sheets.others.take(url);
  }
  let timer = 0;
  function askBelow() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (mixviz.state.view !== "learn") return;
      for (const part of below) {
        const now = String(mixviz.version());
        if (!part.seen || part.asked === now) continue;
        part.asked = now;
        part.ask();
      }
    }, QUIET);
  }
  const sight = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      const part = below.find(({ node }) => node === target);
      if (part) part.seen = isIntersecting;
    }
    askBelow();
  });
  for (const { node } of below) sight.observe(node);
  mixviz.watch(askBelow);

  /** @param {string} name */
  function choose(name) {
    mixviz.open("learn", { method: name });
    scrollTo(0, 0);
  }

  /** @param {Learn} value */
  function draw(value) {
    const { card, names, tiles } = value;
    const size = tiles.length;
    const source = card.pair ? "b" : "a";
    for (const { letter, tile, caption, node } of [a, b]) {
      const name = names[letter === "a" ? 0 : 1];
      const mapped = heat && card.looks && letter === source;
      place(tile, sheet.url, tiles.indexOf(mapped ? `heat_${letter}` : letter), size);
      tile.setAttribute("aria-label", t(mapped ? "alt_heat" : "alt_picture", { name }));
      caption.textContent = name;
      caption.hidden = name.toUpperCase() === letter.toUpperCase(); // the letter stands there already
      node.setAttribute("aria-label", t("choose_picture", { letter: letter.toUpperCase(), name }));
    }
    b.node.classList.toggle("mv-unused", !card.pair);
    look.hidden = !card.looks;
    place(mixed, sheet.url, tiles.indexOf("mixed"), size);
    mixed.setAttribute("aria-label", t("alt_mixed", { name: names[0], title: card.title }));
    outline(box, card.target);
    grab.node.hidden = !value.can_move;
    if (!grab.held() && card.target) grab.set(card.target);
    box.hidden = value.can_move || !card.target;
    undo.hidden = !value.edited;
    title.textContent = t("learn.title", { title: card.title });
    why.update(value);
    if (!methods.children.length) {
      methods.append(
        ...value.essentials.map((name) =>
          make("button", {
            class: "mv-chip",
            data: { choice: name },
            textContent: mixviz.methods[name][0],
            on: { click: () => choose(name) },
          }),
        ),
      );
    }
    press(methods, "choice", card.name);
  }

  mixviz.views(
    "learn",
    /** @param {Learn} value */ async (value) => {
      const mine = ++turn;
      const url = await sheet.open(value.sheet);
      if (mine !== turn) return URL.revokeObjectURL(url);
      sheet.take(url);
      shown = value;
      draw(value);
      root.dataset.shown = String(mine);
    },
  );
}
