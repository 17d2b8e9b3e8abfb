// View of one method: its steps and numbers, tools to change the mixture, and downloads.
import { codePanel } from "../lib/code.js";
import { labelBar, make, outline, partOf, place, press, ring, within } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { offerMethods, parameterControls } from "../lib/parameters.js";
import { Sheet } from "../lib/sheets.js";
import { stageOf } from "../lib/stage.js";
import { sentence, t } from "../lib/texts.js";

/** @import { Context, Detail } from "../types.js" */

/** @param {Context} context */
export default function detailView({ element }) {
  const root = () => partOf(element);
  const sheet = new Sheet();
  /** @param {string} key @param {...Node | string} children */
  const section = (key, ...children) =>
    make("section", { class: "mv-panel" }, make("h3", { textContent: t(key) }), ...children);
  /** @param {string} key @param {() => unknown} run @param {string} [name] */
  const button = (key, run, name = "mv-button") =>
    make("button", { class: name, textContent: t(key), on: { click: run } });
  /** @type {Detail} */
  let shown;
  let opened = new Set(["label_area", "label_lam", "label_saliency", "label_style", "label_own"]);
  let turn = 0;

  // What the method is
  const choose = make("select", {
    id: "mv-method",
    on: { change: ({ target }) => mixviz.open("detail", { method: target.value }) },
  });
  const title = make("h2");
  const paper = make("p", { class: "mv-small" });
  const told = make("p", { class: "mv-told" });
  const lead = make("p", { class: "mv-note" });
  const bar = labelBar(60);

  // The explanations of all methods come when this view is opened. A rule picks one out, whenever they arrive.
  const current = make("style");

  // The large picture and its tools
  const stage = stageOf(
    (box) => mixviz.set({ box, mask: null }),
    (mask) => mixviz.set({ mask, box: null }),
  );
  const hint = make("p", { class: "mv-small" });
  const tools = make("div", { class: "mv-chips", aria: { role: "group", label: t("by_hand") } });
  const toolButtons = Object.fromEntries(
    [
      ["look", "before_after"],
      ["box", "tool_box"],
      ["paint", "tool_paint"],
    ].map(([name, key]) => {
      const node = button(key, () => useTool(name), "mv-chip");
      tools.append(node);
      return [name, node];
    }),
  );
  const undo = button("undo", () => {
    mixviz.set({ box: null, mask: null });
    within(tools, "[aria-pressed=true]").focus(); // this button is about to disappear
  });
  const sides = make(
    "p",
    { class: "mv-sides" },
    make("span", { textContent: t("mixture") }),
    stage.cut,
    make("span", { textContent: "A" }),
  );

  /** @param {string} name */
  function useTool(name) {
    for (const [tool, node] of Object.entries(toolButtons)) node.setAttribute("aria-pressed", String(tool === name));
    sides.hidden = name !== "look";
    hint.textContent =
      name === "box" ? t("move") : name === "paint" ? t(shown?.card.pair ? "paint" : "paint_hole") : "";
    stage.show(name);
  }

  // The steps, at the visitor's own pace
  /** @type {{ at: number, timer: number | null }} */
  const player = { at: 0, timer: null };
  const pictures = make("div", { class: "mv-step-pictures" });
  const stepText = make("p", { aria: { live: "polite" } });
  const stepNumber = make("p", { class: "mv-big" });
  const stepCount = make("p", { class: "mv-small" });
  const play = button("play", () => (player.timer ? halt() : start()));
  const pace = make(
    "select",
    { id: "mv-pace" },
    .../** @type {[string, number][]} */ ([
      ["slow", 6000],
      ["normal", 3500],
      ["fast", 1500],
    ]).map(([key, value]) => make("option", { value, textContent: t(key), selected: key === "normal" })),
  );
  function halt() {
    clearTimeout(player.timer ?? undefined);
    player.timer = null;
    play.textContent = t("play");
  }
  function start() {
    if (player.at >= shown.steps.length - 1) go(0, false);
    play.textContent = t("pause");
    const tick = () => {
      if (player.at >= shown.steps.length - 1) return halt();
      go(player.at + 1, false);
      player.timer = setTimeout(tick, Number(pace.value));
    };
    player.timer = setTimeout(tick, Number(pace.value));
  }
  /** @param {number} at @param {boolean} [stop] */
  function go(at, stop = true) {
    if (stop) halt();
    player.at = Math.min(Math.max(at, 0), shown.steps.length - 1);
    const step = shown.steps[player.at];
    pictures.replaceChildren(
      ...step.pictures.map((name) => {
        const box = make("div", { class: "mv-box" });
        const mark = make("i", { class: "mv-ring" });
        const tile = make("div", { class: "mv-tile", aria: { role: "img", label: t(`tile.${name}`) } }, box, mark);
        place(tile, sheet.url, shown.tiles.indexOf(name), shown.tiles.length);
        outline(box, step.box);
        ring(mark, step.peak);
        return make("figure", {}, tile, make("figcaption", { textContent: t(`tile.${name}`) }));
      }),
    );
    stepText.textContent = t(`step.${step.key}`, { detector: t(`detector.${shown.detector}`) });
    stepNumber.textContent = step.number;
    stepCount.textContent = t("step_of", { i: player.at + 1, n: shown.steps.length });
  }

  // Numbers with their calculations, parameters from the fields, code, and downloads
  const lines = make("div", { class: "mv-lines" });
  const controls = parameterControls("mv-p");
  const code = codePanel();
  let codeKind = "code"; // this very picture, or a training loop
  const codeTabs = make(
    "div",
    { class: "mv-chips mv-code-tabs", aria: { role: "group", label: t("code") } },
    ...["code", "loop"].map((kind) =>
      make("button", {
        class: "mv-chip",
        data: { kind },
        aria: { pressed: String(kind === codeKind) },
        textContent: t(`code.${kind}`),
        on: {
          click: () => {
            codeKind = kind;
            press(codeTabs, "kind", kind);
            code.update(kind === "loop" ? shown.loop : shown.code);
          },
        },
      }),
    ),
  );
  const file = make("input", {
    type: "file",
    accept: ".json,application/json",
    id: "mv-recipe",
    on: {
      change: async () => {
        const [recipe] = file.files ?? [];
        if (recipe) mixviz.restore({ recipe: recipe.size > 1e5 ? "" : await recipe.text() });
        file.value = "";
      },
    },
  });
  const taking = ["png", "zip", "svg", "pdf", "gif", "json"].map((kind) =>
    button(`take.${kind}`, () => mixviz.take(kind)),
  );
  const strip = make("div", { class: "mv-strip" });

  root().append(
    current,
    make("div", { class: "mv-head" }, make("label", { htmlFor: "mv-method", textContent: t("method") }), choose),
    make(
      "div",
      { class: "mv-two" },
      make("div", { class: "mv-stage" }, tools, stage.tile, sides, hint, undo),
      make(
        "div",
        { class: "mv-about" },
        title,
        paper,
        lead,
        bar.node,
        told,
        section("numbers", make("p", { class: "mv-small", textContent: t("numbers_why") }), lines),
      ),
    ),
    section(
      "steps",
      make(
        "div",
        { class: "mv-player" },
        pictures,
        make(
          "div",
          {},
          stepCount,
          stepText,
          stepNumber,
          make(
            "div",
            { class: "mv-chips" },
            button("previous", () => go(player.at - 1)),
            play,
            button("next", () => go(player.at + 1)),
            make("label", { htmlFor: "mv-pace", textContent: t("pace") }),
            pace,
          ),
        ),
      ),
    ),
    strip,
    make(
      "div",
      { class: "mv-two" },
      section("parameters", controls.node),
      make(
        "div",
        {},
        section("code", codeTabs, ...code.nodes),
        section(
          "take",
          make("div", { class: "mv-chips" }, ...taking),
          make("p", { class: "mv-load" }, make("label", { htmlFor: "mv-recipe", textContent: t("load") }), file),
        ),
      ),
    ),
  );

  /** @param {Detail} value */
  function drawLines(value) {
    lines.replaceChildren(
      ...value.lines.map((line) => {
        const text = line.sum ? `${line.sum} = ${line.value.toFixed(4)}` : t("sum.none");
        const node = make(
          "details",
          { open: opened.has(line.key), data: { line: line.key } },
          make(
            "summary",
            {},
            make("span", { textContent: t(`line.${line.key}`) }),
            make("b", { textContent: line.value.toFixed(3) }),
          ),
          make("p", { textContent: text }),
        );
        node.addEventListener("toggle", () => (node.open ? opened.add(line.key) : opened.delete(line.key)));
        return node;
      }),
    );
  }

  /** @param {Detail} value */
  function drawHead(value) {
    const { card } = value;
    offerMethods(choose);
    choose.value = card.name;
    title.textContent = card.title;
    paper.replaceChildren(
      card.url
        ? make("a", { href: card.url, target: "_blank", rel: "noopener noreferrer", textContent: card.citation })
        : card.citation,
    );
    lead.textContent = card.asks ? t("asks", { detector: t(`detector.${value.detector}`) }) : "";
    bar.update(value.names, card.share);
    told.textContent = `${sentence(card.sentence, value.names)} ${t(`judge.${value.judge}`)}`;
    current.textContent = `#about-${card.name} { display: block; }`;
  }

  mixviz.views(
    "detail",
    /** @param {Detail} value */ async (value) => {
      const mine = ++turn;
      const url = await sheet.open(value.sheet);
      if (mine !== turn) return URL.revokeObjectURL(url);
      const other = shown?.card.name !== value.card.name;
      const before = sheet.url;
      shown = value;
      sheet.url = url;
      drawHead(value);
      stage.update(value, url);
      toolButtons.box.disabled = !value.can_move;
      toolButtons.paint.disabled = !value.can_paint;
      undo.hidden = !value.edited;
      if (other) useTool("look");
      drawLines(value);
      controls.update({ ...value, method: value.card.name });
      code.update(codeKind === "loop" ? value.loop : value.code);
      strip.replaceChildren(
        ...value.tiles.map((name, i) => {
          const tile = make("div", { class: "mv-tile", aria: { role: "img", label: t(`tile.${name}`) } });
          place(tile, url, i, value.tiles.length);
          return make("figure", {}, tile, make("figcaption", { textContent: t(`tile.${name}`) }));
        }),
      );
      go(other ? 0 : player.at, other);
      if (before) URL.revokeObjectURL(before);
      root().dataset.shown = String(mine);
    },
  );
}
