// View of all methods: a tile each, of its mixture and its label. Filter and pins stay in the browser.
import { byHumps, labelBar, make, outline, partOf, place, toolbar } from "../lib/dom.js";
import { known as of } from "../lib/maps.js";
import { outlinesOf } from "../lib/outlines.js";
import { mixviz } from "../lib/page.js";
import { finds } from "../lib/search.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";
import { aboutDialog } from "./grid/about.js";
import { optionsPanel } from "./grid/options.js";

/** @import { Card, Context, Grid } from "../types.js" */
/** @typedef {ReturnType<typeof build>} Tile */

const FIRST = 9; // tiles to draw before it is known which ones are in sight
const MARGIN = 100; // pixels below and above the window, within which tiles are drawn in advance

/** @param {Grid["all"][number]} method */
function build({ name, title, family, group }) {
  const outlines = outlinesOf(true);
  const box = make("div", { class: "mv-box" });
  const over = [outlines.node, box, outlines.text];
  const picture = make("div", { class: "mv-tile mv-mixed", aria: { role: "img", label: title } }, ...over);
  const bar = labelBar();
  const summary = make("p", { class: "mv-summary", id: `mv-summary-${name}`, textContent: t(`summary.${name}`) });
  const open = make(
    "button",
    {
      class: "mv-card-open",
      aria: { describedby: summary.id },
      on: { click: () => mixviz.open("detail", { method: name }) },
    },
    ...byHumps(title),
  );
  const more = make(
    "button",
    { class: "mv-card-more", aria: { label: t("about_method", { title }), haspopup: "dialog" } },
    make("span", { textContent: "i" }),
  );
  bar.node.setAttribute("aria-label", title); // until it is drawn
  const head = make("div", { class: "mv-card-head" }, make("h3", {}, open), more);
  const node = make("article", { class: "mv-card", data: { method: name } }, picture, summary, head, bar.node);
  return {
    name,
    title,
    family,
    group,
    node,
    picture,
    outlines,
    box,
    bar,
    more,
    names: [title, name, ...(mixviz.methods[name]?.[2] ?? [])],
    words: `${t(`family.${family}`)} ${t(`summary.${name}`)}`,
    asked: -1,
    version: -1,
    sheet: "",
    index: 0,
    /** @type {Card | undefined} */
    card: undefined,
    /** @type {Pick<Grid, "names" | "held" | "judge" | "detector" | "columns" | "rows"> | undefined} */
    shown: undefined,
  };
}

/** @param {Context} context */
export default function gridView({ element }) {
  const root = partOf(element);
  const sheets = { still: new Sheet(), mixed: new Sheet(), detectors: new Sheet() };
  const alive = new Set(); // sheets of mixtures in use: a tile out of sight may still show an earlier one
  const address = new URLSearchParams(location.search);
  const pins = new Set((address.get("pin") ?? "").split(",").filter(Boolean));
  /** @type {Map<string, Tile>} */
  const tiles = new Map();
  /** @type {Map<string, HTMLElement>} a heading per group */
  const heads = new Map();
  /** @type {Grid["known"]} */
  let known = [];
  let turn = 0;

  const grid = make("div", { class: "mv-grid" });
  const empty = make("p", { class: "mv-none", aria: { role: "status" } });
  const find = make("input", {
    type: "search",
    placeholder: t("find"),
    aria: { label: t("find") },
    value: address.get("find") ?? "",
    on: { input: () => filter() },
  });
  const family = make("select", { aria: { label: t("family") }, on: { change: () => filter() } });
  const options = optionsPanel(grid);
  const tools = toolbar(
    make(
      "div",
      { class: "mv-grid-tools", aria: { label: t("grid_tools") } },
      family,
      options.button,
      make("div", { data: { control: "pictures" } }),
    ),
  );
  const about = aboutDialog({ pins, pin, still: () => sheets.still.url });
  root.append(
    make("div", { class: "mv-grid-head" }, make("h1", { textContent: t("tab_grid") }), find, tools),
    options.node,
    make("div", { data: { control: "lam" } }),
    empty,
    grid,
    about.node,
  );

  // A tile under the pointer or in focus tells its method in a sentence; Escape takes it away.
  addEventListener("keydown", ({ key }) => grid.classList.toggle("mv-quiet", key === "Escape"));
  grid.addEventListener("pointerover", () => grid.classList.remove("mv-quiet"));

  /** @param {Tile} tile pinned ones come first, and no filter hides them */
  const groupOf = ({ name, group }) => (pins.has(name) ? "pinned" : group);

  function filter() {
    mixviz.note("find", find.value.trim());
    mixviz.note("family", family.value);
    const there = new Set();
    for (const tile of tiles.values()) {
      const hit = finds(find.value, tile.names, tile.words) && (!family.value || family.value === tile.family);
      tile.node.hidden = !(hit || pins.has(tile.name));
      if (!tile.node.hidden) there.add(groupOf(tile));
    }
    for (const [group, head] of heads) head.hidden = !there.has(group);
    empty.textContent = there.size ? "" : t("none_found");
  }

  function order() {
    const all = [...tiles.values()];
    for (const [group, head] of heads) {
      grid.append(head, ...all.filter((tile) => groupOf(tile) === group).map(({ node }) => node));
    }
    for (const { name, node } of all) node.classList.toggle("mv-pinned", pins.has(name));
    filter();
  }

  /** @param {string} name */
  function pin(name) {
    pins.has(name) ? pins.delete(name) : pins.add(name);
    mixviz.note("pin", [...pins].join(","));
    order();
  }

  // A tile is drawn when it scrolls into view, and drawn again if it shows an earlier state.
  const seen = new Set();
  /** @param {number} version */
  const stale = (version) => [...seen].filter((name) => of(tiles, name).asked !== version);
  const sight = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        const name = target.getAttribute("data-method") ?? "";
        isIntersecting ? seen.add(name) : seen.delete(name);
      }
      if (mixviz.state.view === "grid" && stale(mixviz.version()).length) mixviz.fill();
    },
    { rootMargin: `${MARGIN}px` },
  );
  mixviz.inSight = (version) => {
    if (!tiles.size) return [...new Set([...pins, ...Object.keys(mixviz.methods)])].slice(0, FIRST);
    const names = stale(version);
    for (const name of names) of(tiles, name).asked = version;
    return names;
  };
  mixviz.fresh = (name) => tiles.get(name)?.version === mixviz.version();
  mixviz.pinned = () => [...pins];

  /** @param {Grid} value */
  function begin(value) {
    for (const card of value.all) {
      const tile = build(card);
      tiles.set(card.name, tile);
      tile.more.addEventListener("click", () => about.open(tile));
      sight.observe(tile.node);
    }
    const groups = new Set(value.all.map(({ group }) => group));
    for (const group of ["pinned", ...groups]) {
      const text = t(group === "pinned" ? group : `family.${group}`);
      heads.set(group, make("h2", { class: "mv-group-head", textContent: text }));
    }
    const families = [...new Set(value.all.map((card) => card.family))];
    family.append(make("option", { value: "", textContent: t("all_families") }));
    family.append(...families.map((one) => make("option", { value: one, textContent: t(`family.${one}`) })));
    family.value = families.find((one) => one === address.get("family")) ?? "";
    order();
  }

  /** @param {Tile} tile @param {Card} card @param {Grid} value @param {string} sheet @param {number} index */
  function update(tile, card, value, sheet, index) {
    if (tile.version > value.version) return; // a later answer has already been drawn
    const { version, names, held, judge, detector, columns, rows } = value;
    const asked = Math.max(tile.asked, version);
    Object.assign(tile, { version, asked, sheet, index, card });
    tile.shown = { names, held, judge, detector, columns, rows };
    place(tile.picture, sheet, index, columns, rows);
    tile.picture.setAttribute("aria-label", t("alt_mixed", { name: names[0], title: card.title }));
    outline(tile.box, card.target);
    tile.outlines.update(card.outlines ?? [], names.slice(0, card.pair ? 2 : 1));
    tile.bar.update(names, card.share, innerWidth < 768 ? 18 : 34);
  }

  mixviz.views(
    "grid",
    /** @param {Grid} value */ async (value) => {
      const mine = ++turn;
      const [mixed, still, detectors] = await Promise.all([
        sheets.mixed.open(value.sheet),
        value.still ? sheets.still.open(value.still) : null,
        value.detector_sheet ? sheets.detectors.open(value.detector_sheet) : null,
      ]);
      if (detectors) {
        sheets.detectors.take(detectors);
        options.show(value.detectors, detectors);
      }
      if (still) {
        sheets.still.take(still);
        ({ known } = value);
      }
      if (!tiles.size) begin(value);
      if (mine === turn) options.update(value, known.every(Boolean));
      value.cards.forEach((card, index) => update(of(tiles, card.name), card, value, mixed, index));
      about.draw();
      alive.add(mixed);
      const used = new Set([...tiles.values()].map(({ sheet }) => sheet));
      for (const url of alive) if (!used.has(url) && alive.delete(url)) URL.revokeObjectURL(url);
      grid.dataset.shown = String(mine); // the number of answers drawn, for tests and timing
    },
  );
}
