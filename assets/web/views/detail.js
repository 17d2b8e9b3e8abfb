// View of a method's mixture: why its label is what it is, tools to change it, its steps and numbers, and downloads.
import { make, outline, partOf, place, ring, within } from "../lib/dom.js";
import { markDialog } from "../lib/mark.js";
import { mixviz } from "../lib/page.js";
import { parameterControls } from "../lib/parameters.js";
import { reasonOf } from "../lib/reason.js";
import { Sheet } from "../lib/sheets.js";
import { stageOf } from "../lib/stage.js";
import { t } from "../lib/texts.js";

/** @import { Context, Detail } from "../types.js" */

/** @param {Context} context */
export default function detailView({ element, server }) {
  const root = () => partOf(element);
  const sheet = new Sheet();
  /** @param {string} key @param {...Node | string} children */
  const section = (key, ...children) =>
    make("section", { class: "mv-panel" }, make("h2", { textContent: t(key) }), ...children);
  /** @param {string} key @param {...Node | string} children */
  const folded = (key, ...children) =>
    make("details", { class: "mv-panel" }, make("summary", { textContent: t(key) }), ...children);
  /** @param {string} key @param {() => unknown} run @param {string} [name] */
  const button = (key, run, name = "mv-button") =>
    make("button", { class: name, textContent: t(key), on: { click: run } });
  /** @type {Detail} */
  let shown;
  let opened = new Set(["label_area", "label_lam", "label_saliency", "label_style", "label_own"]);
  let turn = 0;

  // The label and its reason
  const why = reasonOf();
  const lead = make("p", { class: "mv-small" });

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
  const outlined = make("input", {
    type: "checkbox",
    checked: true,
    on: { change: ({ target }) => stage.tile.classList.toggle("mv-no-outlines", !target.checked) },
  });
  const objects = make("label", { class: "mv-check" }, outlined, t("objects"));
  const dialog = markDialog(server);
  const marks = /** @type {("a" | "b")[]} */ (["a", "b"]).map((letter, i) =>
    make("button", {
      class: "mv-button",
      on: {
        click: () => {
          const index = shown.tiles.indexOf(letter);
          dialog.open(letter, { name: shown.names[i], url: sheet.url ?? "", index, count: shown.tiles.length });
        },
      },
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

  // Numbers with their calculations, parameters from the fields, and downloads
  const lines = make("div", { class: "mv-lines" });
  const controls = parameterControls("mv-p");
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
    make(
      "div",
      { class: "mv-mixture" },
      make("div", { class: "mv-stage" }, stage.tile, sides, make("div", { data: { control: "lam" } })),
      make(
        "div",
        { class: "mv-mixture-text" },
        make(
          "div",
          { class: "mv-hero-label" },
          make("p", { class: "mv-small", textContent: t("learn.told") }),
          why.bar,
        ),
        make("div", { class: "mv-hero-why" }, ...why.nodes, lead),
        make("div", { class: "mv-by-hand" }, tools, undo, make("span", { data: { control: "more" } })),
        hint,
        make("div", { class: "mv-stage-objects" }, objects, stage.outlines.text, ...marks),
        dialog.node,
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
    make(
      "div",
      { class: "mv-two" },
      section("parameters", controls.node),
      make(
        "div",
        {},
        folded("numbers", lines),
        folded(
          "take",
          strip,
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
      why.update(value);
      lead.textContent = value.card.asks ? t("asks", { detector: t(`detector.${value.detector}`) }) : "";
      current.textContent = `#about-${value.card.name} { display: block; }`;
      stage.update(value, url);
      objects.hidden = !value.outlines.length;
      marks.forEach((button, i) => {
        const own = mixviz.state.marks?.[(i ? mixviz.state.b : mixviz.state.a) ?? ""];
        button.hidden = (value.known[i] && !own) || (i > 0 && !value.card.pair);
        button.textContent = t(own ? "mark.again" : "mark", { name: value.names[i] });
      });
      toolButtons.box.disabled = !value.can_move;
      toolButtons.paint.disabled = !value.can_paint;
      undo.hidden = !value.edited;
      if (other) useTool("look");
      drawLines(value);
      controls.update({ ...value, method: value.card.name });
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
