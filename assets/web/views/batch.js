// View of a batch as the training loop gets it: every image mixed with its partner from the same batch.
import { sortedOut } from "../lib/annotation_names.js";
import { ENDINGS } from "../lib/annotations.js";
import { codePanel } from "../lib/code.js";
import { arrowsOver } from "../lib/arrows.js";
import { LETTERS, labelBar, make, partOf, place, press, within } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { outlinesOf } from "../lib/outlines.js";
import { parameterControls } from "../lib/parameters.js";
import { sendFolder, sendZip } from "../lib/sending.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";
import { annotationsOf } from "./batch/annotations.js";

/** @import { Batch, BatchTile, Context } from "../types.js" */

/** @import { Sent } from "../lib/sending.js" */

/** @param {Context} context */
export default function batchView(context) {
  const root = () => partOf(context.element);
  const MOST = 64;
  const sheets = { mixed: new Sheet(), originals: new Sheet() };
  /** @type {Batch} */
  let value;
  /** @type {(Sent & { shown?: boolean }) | null} */
  let own = null;
  /** @type {string | null} */
  let shownKey = null;
  let turn = 0;
  /** @type {number | null} */
  let lit = null;
  /** @type {number | null} */
  let pinned = null;
  /** @param {string[]} paths @param {string[]} names */
  const zipped = (paths, names) => paths.map((path, i) => [path, names[i]]);
  const inOwn = () => !!own?.shown;
  const wantedKey = () => (own?.shown ? own.paths.join("|") : String(mixviz.state.count));
  mixviz.asking.batch = () => ({
    still: wantedKey() !== shownKey,
    files: own?.shown ? zipped(own.paths, own.names) : [],
    ...(own?.shown ? annotations.used() : {}),
    outlines: switches.objects.checked,
  });

  // ---- layout
  const sources = make(
    "div",
    { class: "mv-chips", aria: { role: "group", label: t("batch.set") } },
    ...["photographs", "own"].map((name) =>
      make("button", {
        class: "mv-chip",
        data: { source: name },
        textContent: t(`batch.${name}`),
        on: { click: () => use(name === "own") },
      }),
    ),
  );
  const count = make("input", {
    type: "range",
    id: "mv-batch-count",
    min: 2,
    max: 16,
    step: 1,
    value: 8,
    on: { input: ({ target }) => mixviz.set({ count: Number(target.value) }) },
  });
  const counted = make("output", { htmlFor: count.id });
  const counter = make(
    "div",
    { class: "mv-count" },
    make("label", { htmlFor: count.id, textContent: t("batch.count") }),
    count,
    counted,
  );
  const inputs = /** @type {[string, object][]} */ ([
    ["folder", { webkitdirectory: true }],
    ["pictures", { accept: `image/*,${t("endings")},.zip,${ENDINGS}` }],
  ]).map(([name, more]) =>
    make("input", { type: "file", multiple: true, name, ...more, on: { change: (event) => send(event.target) } }),
  );
  const annotations = annotationsOf(context.server, () => own, send, () => {
    switches.objects.checked = true;
    if (inOwn()) mixviz.set({});
  });
  inputs.push(annotations.input);
  const progress = make("p", { class: "mv-small", aria: { role: "status" } });
  const missing = make("ul", { class: "mv-small mv-left-out" });
  const uploads = make(
    "div",
    { class: "mv-panel", hidden: true },
    make("p", { class: "mv-small", textContent: t("batch.own_why", { most: MOST }) }),
    make(
      "div",
      { class: "mv-load" },
      ...inputs.slice(0, 2).map((input) =>
        make(
          "label",
          { class: "mv-file" },
          t(input.name === "folder" ? "embed.choose_folder" : "batch.choose_pictures"),
          input,
        ),
      ),
    ),
    progress,
    missing,
    ...annotations.nodes,
  );
  const switches = Object.fromEntries(
    ["arrows", "originals", "numbers", "objects"].map((name) => [
      name,
      make("input", { type: "checkbox", name, on: { change: () => drawState() } }),
    ]),
  );
  switches.objects.addEventListener("change", () => mixviz.set({})); // outlines are worked out when they are wanted
  const told = make("p", { class: "mv-told" });
  const summary = make("dl", { class: "mv-numbers mv-summed" });
  const notes = make("p", { class: "mv-small" });
  const list = make("ol", { class: "mv-batch" });
  const stage = make("div", { class: "mv-batch-stage" }, list);
  const arrows = arrowsOver(stage);
  const controls = parameterControls("mv-batch-p");
  const code = codePanel();
  /** @param {string} key @param {...Node | string} children */
  const folded = (key, ...children) =>
    make("details", { class: "mv-panel" }, make("summary", { textContent: t(key) }), ...children);
  root().append(
    make(
      "div",
      { class: "mv-head" },
      make("details", { class: "mv-set" }, make("summary", { textContent: t("batch.set") }), sources, counter, uploads),
      ...Object.entries(switches).map(([name, box]) =>
        make("label", { class: "mv-check", data: { switch: name } }, box, t(`batch.show_${name}`)),
      ),
    ),
    told,
    summary,
    stage,
    notes,
    folded("parameters", controls.node),
    folded("batch.code", ...code.nodes),
  );

  // ---- tiles: made once and then changed in place, so that the focused one keeps the focus
  /** @type {ReturnType<typeof tileOf>[]} */
  const tiles = [];
  /** @param {number} n */
  function tileOf(n) {
    const before = make("span", { class: "mv-layer mv-before" });
    const outlines = outlinesOf(true);
    const picture = make("span", { class: "mv-tile" }, outlines.node, before);
    const button = make(
      "button",
      {
        class: "mv-batch-tile",
        aria: { pressed: "false" },
        on: {
          click: () => {
            [pinned, lit] = pinned === n ? [null, null] : [n, lit];
            drawState();
          },
          pointerenter: (event) => event.pointerType === "mouse" && shine(n),
          pointerleave: () => shine(null),
          focus: () => shine(n),
          blur: () => shine(null),
        },
      },
      picture,
    );
    const name = make("b", { aria: { hidden: "true" } });
    const meets = make("p", { class: "mv-meets", aria: { hidden: "true" } });
    const bar = labelBar(20);
    const numbers = make("dl", { class: "mv-numbers" });
    numbers.append(
      ...["lam", "area", "label", "gap"].map((key) =>
        make("div", {}, make("dt", { textContent: t(`batch.${key}`) }), make("dd")),
      ),
    );
    const node = make("li", {}, button, name, make("div", {}, meets, outlines.text), bar.node, numbers);
    return { node, button, picture, outlines, before, name, meets, bar, numbers };
  }

  /** @param {number | null} n */
  function shine(n) {
    lit = n;
    drawState();
  }

  /** @param {BatchTile} tile */
  const classOf = (tile) => value.classes[tile.label];
  /** @param {number} n */
  const whom = (n) => t("batch.who", { n: n + 1, name: classOf(value.tiles[n]) });
  /** @param {BatchTile} tile */
  function meeting(tile) {
    if (!value.paired) return t("batch.no_partner");
    if (!tile.partners.length) return t("batch.itself");
    const who = tile.partners.map(([other]) => whom(other)).join(", ");
    return t("batch.partner", { who });
  }

  /** @param {BatchTile} tile @param {number} n */
  function drawTile(tile, n) {
    const parts = tiles[n];
    const rows = Math.ceil(value.tiles.length / value.columns);
    const names = tile.parts.map(([label]) => value.classes[label]);
    place(parts.picture, sheets.mixed.url, n, value.columns, rows);
    place(parts.before, sheets.originals.url, n, value.columns, rows);
    const shownNames = [classOf(tile), ...tile.partners.map(([other]) => classOf(value.tiles[other]))];
    parts.outlines.update(value.outlines[n] ?? [], shownNames);
    const met = meeting(tile);
    parts.name.textContent = whom(n);
    parts.meets.textContent = met;
    parts.button.setAttribute("aria-label", [whom(n), value.own && tile.name, met].filter(Boolean).join(". "));
    parts.button.title = value.own ? tile.name : "";
    parts.bar.update(
      names,
      tile.parts.map(([, share]) => share),
      value.tiles.length > 16 ? 13 : innerWidth < 768 ? 16 : 26,
    );
    [tile.drawn, tile.area, tile.share, tile.gap].forEach((number, i) => {
      within(parts.numbers.children[i], "dd").textContent = number === null ? t("none") : number.toFixed(2);
    });
    parts.numbers.lastElementChild?.classList.toggle("mv-off", (tile.gap ?? 0) > 0.15);
  }

  // Partners: the arrows of the hovered, focused or chosen tile, or of all tiles.
  function drawState() {
    if (!value) return;
    const one = lit ?? pinned;
    const all = switches.arrows.checked;
    const kinds = new Map();
    list.classList.toggle("mv-originals", switches.originals.checked);
    list.classList.toggle("mv-numbered", switches.numbers.checked);
    summary.hidden = !switches.numbers.checked;
    list.classList.toggle("mv-one", one !== null && !all);
    if (one !== null)
      for (const [other, part] of value.tiles[one]?.partners ?? []) kinds.set(other, LETTERS[part % 4].toLowerCase());
    tiles.forEach(({ node, button }, n) => {
      button.setAttribute("aria-pressed", String(pinned === n));
      node.dataset.lit = n === one ? "self" : (kinds.get(n) ?? "");
    });
    arrows.draw(
      value.tiles.flatMap((tile, n) => {
        if (!value.paired || (!all && n !== one)) return [];
        const pairs = tile.partners.length ? tile.partners : [[n, 0]];
        return pairs.map(([other, part]) => ({
          from: tiles[n].picture,
          to: tiles[other].picture,
          kind: LETTERS[part % 4].toLowerCase(),
          strong: n === one,
        }));
      }),
    );
  }

  // ---- numbers of the batch
  function drawSummary() {
    const { drawn, area, share, off, fixed } = value.summary;
    const held = value.held;
    const none = t("none");
    const rows = /** @type {[string, number | null][]} */ ([
      ["batch.mean_lam", drawn],
      ["batch.mean_area", area],
      ["batch.mean_label", share],
    ]).map(([key, number]) => [t(key), number === null ? none : number.toFixed(2)]);
    rows.push(
      [t("batch.off"), off === null ? none : t("batch.of", { count: off, n: value.tiles.length })],
      [t("batch.fixed"), fixed === null ? none : String(fixed)],
    );
    summary.replaceChildren(
      ...rows.map(([key, text]) =>
        make("div", {}, make("dt", { textContent: key }), make("dd", { textContent: text })),
      ),
    );
    told.textContent = t(value.layer ? "batch.inside" : value.paired ? "batch.teach" : "batch.alone", {
      layer: value.layer,
    });
    notes.textContent = [
      held && drawn !== null ? t("batch.held", { lam: drawn.toFixed(2) }) : "",
      fixed && value.tiles.every((tile) => tile.partners.length < 2) ? t("batch.stays", { count: fixed }) : "",
      value.asks ? t("asks", { detector: t(`detector.${value.detector}`) }) : "",
      off === null ? "" : t(`judge.${value.judge}`),
    ]
      .filter(Boolean)
      .join(" ");
  }

  // ---- the visitor's own pictures
  /** @param {boolean} wanted */
  function use(wanted) {
    if (wanted && !own) own = { paths: [], names: [], sheets: [], left: [], known: 0, others: 0, shown: false };
    if (own) own.shown = wanted && own.paths.length >= 2;
    drawSource(wanted);
    pinned = null;
    if (!wanted || own?.shown) mixviz.set({});
  }

  function drawSource(wanted = inOwn()) {
    press(sources, "source", wanted ? "own" : "photographs");
    uploads.hidden = !wanted;
    counter.hidden = wanted;
  }

  /** @param {HTMLInputElement} input */
  async function send(input) {
    const all = [...(input.files ?? [])];
    const given = input.name === "annotations" ? { annotations: all, others: [] } : sortedOut(all);
    const files = given.others;
    const zip = files.find(({ name }) => /\.zip$/i.test(name));
    input.value = "";
    if (!all.length) return;
    inputs.forEach((each) => {
      each.disabled = true;
    });
    /** @param {string} text */
    const tell = (text) => {
      progress.textContent = text;
    };
    try {
      if (!files.length) return void (await annotations.give(given.annotations));
      const sent = zip ? await sendZip(context, zip, tell) : await sendFolder(context, files, MOST, tell);
      sent.sheets?.forEach(({ url }) => url && URL.revokeObjectURL(url));
      missing.replaceChildren(...sent.left.map((reason) => make("li", { textContent: reason })));
      const { known, others, paths } = sent;
      tell(
        [
          t(paths.length < 2 ? "batch.few" : "batch.there", { count: paths.length, least: 2 }),
          known > MOST ? t("embed.some", { n: known, most: MOST }) : "",
          others ? t("embed.others", { count: others }) : "",
          zip && files.length > 1 ? t("batch.one_zip", { name: zip.name }) : "",
        ]
          .filter(Boolean)
          .join(" "),
      );
      if (paths.length >= 2) {
        own = sent; // otherwise keep the earlier pictures
        annotations.forget();
        if (given.annotations.length) await annotations.give(given.annotations, files);
      }
      use(true);
    } catch (error) {
      tell(/** @type {Error} */ (error).message);
    } finally {
      inputs.forEach((each) => {
        each.disabled = false;
      });
      root().dataset.sent = String(Number(root().dataset.sent ?? 0) + 1);
    }
  }

  new ResizeObserver(() => drawState()).observe(list);

  // Show answers in order: an outdated one may have brought the originals.
  let before = Promise.resolve();
  mixviz.views("batch", (answer) => {
    before = before.then(() => draw(answer));
  });

  /** @param {any} answer */
  async function draw(answer) {
    const [mixed, originals] = await Promise.all(
      [answer.sheet, answer.originals].map((data, i) => data && Object.values(sheets)[i].open(data)),
    );
    if (originals) {
      sheets.originals.take(originals);
      shownKey = answer.key;
    }
    if (shownKey !== answer.key) return URL.revokeObjectURL(mixed);
    value = answer;
    sheets.mixed.take(mixed);
    if (!inOwn() && uploads.hidden) drawSource(false);
    count.value = String(mixviz.state.count);
    counted.textContent = count.value;
    while (tiles.length < value.tiles.length) tiles.push(tileOf(tiles.length));
    if (list.children.length !== value.tiles.length)
      list.replaceChildren(...tiles.slice(0, value.tiles.length).map(({ node }) => node));
    list.dataset.many = String(value.tiles.length > 16);
    if (pinned !== null && pinned >= value.tiles.length) pinned = null;
    if (lit !== null && lit >= value.tiles.length) lit = null;
    within(root(), "[data-switch=objects]").hidden = !value.outlined;
    list.classList.toggle("mv-outlined", switches.objects.checked);
    value.tiles.forEach(drawTile);
    drawState();
    drawSummary();
    controls.update(value);
    code.update(value.code);
    root().dataset.shown = String(++turn);
  }
}
