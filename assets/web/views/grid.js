// View with a card per method. Filter and pins stay in the browser.
import { byHumps, labelBar, make, outline, partOf, place, ring, press } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { finds } from "../lib/search.js";
import { Sheet } from "../lib/sheets.js";
import { sentence, t } from "../lib/texts.js";

import { known as of } from "../lib/maps.js";

/** @import { Card, Context, Edges, Grid, State } from "../types.js" */

/** @param {Context} context */
export default function gridView({ element }) {
  const root = () => partOf(element);
  const sheets = { still: new Sheet(), mixed: new Sheet(), detectors: new Sheet() };
  const alive = new Set(); // sheets of mixtures in use: a card out of sight may still show an earlier one
  const grid = make("div", { class: "mv-grid" });
  const legend = make("p", { class: "mv-legend" });
  const empty = make("p", { class: "mv-none", hidden: true, textContent: t("none_found") });
  const FIRST = 9; // cards to draw before it is known which ones are in sight
  const pins = new Set((new URLSearchParams(location.search).get("pin") || "").split(",").filter(Boolean));
  const address = new URLSearchParams(location.search);
  const wanted = { text: address.get("find") ?? "", family: address.get("family") ?? "" };
  const heads = new Map(); // a heading per family, before its cards
  /** @type {Map<string, Parts>} */
  let cards = new Map();
  let turn = 0;
  /** @type {(Edges | null)[]} */
  let known = [null, null]; // the objects' boxes, as far as they are known

  const find = make("input", {
    type: "search",
    placeholder: t("find"),
    aria: { label: t("find") },
    value: new URLSearchParams(location.search).get("find") ?? "",
    on: { input: ({ target }) => filter({ text: target.value }) },
  });
  const families = make("div", { class: "mv-chips", aria: { role: "group", label: t("family") } });
  const boxes = make("input", {
    type: "checkbox",
    on: { change: ({ target }) => grid.classList.toggle("mv-show-objects", target.checked) },
  });
  const detectorRow = make("div", { class: "mv-detectors" });
  // The detectors' maps are worked out when somebody wants to see them.
  const detectorPanel = make(
    "details",
    {
      class: "mv-panel",
      on: {
        toggle: () => {
          mixviz.strip = detectorPanel.open;
          if (detectorPanel.open) mixviz.set({});
        },
      },
    },
    make("summary", { textContent: t("detectors") }),
    make("p", { class: "mv-small", textContent: t("lenses_why") }),
    detectorRow,
  );
  const objectSwitch = make("label", { class: "mv-check" }, boxes, t("objects"));
  root().append(legend, make("div", { class: "mv-tools" }, find, families, objectSwitch), detectorPanel, empty, grid);

  function filter(change = {}) {
    Object.assign(wanted, change);
    if ("text" in change) mixviz.note("find", wanted.text.trim());
    if ("family" in change) mixviz.note("family", wanted.family);
    let shown = 0;
    const there = new Set();
    for (const [name, { node, family, title, group }] of cards) {
      const words = `${t(`family.${family}`)} ${t(`summary.${name}`)}`;
      const names = [title, name, ...mixviz.methods[name][2]];
      const hit = finds(wanted.text, names, words) && (!wanted.family || family === wanted.family);
      node.hidden = !(hit || pins.has(name));
      shown += Number(!node.hidden);
      if (!node.hidden) there.add(pins.has(name) ? "pinned" : group);
    }
    for (const [family, head] of heads) head.hidden = !there.has(family) || heads.size < 3;
    press(families, "family", wanted.family);
    empty.hidden = shown > 0;
  }

  // Pinned cards come first, and the filter does not hide them.
  function order() {
    const all = [...cards];
    const groups = ["pinned", ...new Set(all.map(([, { group }]) => group))];
    for (const group of groups) {
      if (!heads.has(group))
        heads.set(
          group,
          make("h2", { class: "mv-group-head", textContent: t(group === "pinned" ? group : `family.${group}`) }),
        );
      grid.append(
        heads.get(group),
        ...all
          .filter(([name, parts]) => (pins.has(name) ? "pinned" : parts.group) === group)
          .map(([, { node }]) => node),
      );
    }
    for (const [name, { node, pin, title }] of cards) {
      const on = pins.has(name);
      node.classList.toggle("mv-pinned", on);
      pin.setAttribute("aria-pressed", String(on));
      pin.title = t(on ? "unpin" : "pin", { title });
    }
    filter();
  }

  /** @param {string} name */
  function toggle(name) {
    pins.has(name) ? pins.delete(name) : pins.add(name);
    mixviz.note("pin", [...pins].join(","));
    order();
  }

  // A card is drawn when it scrolls into view, and drawn again if it shows an earlier state.
  const seen = new Set();
  /** @param {string} name @param {number} version */
  const stale = (name, version) => cards.get(name)?.asked !== version;
  const sight = new IntersectionObserver(
    (changes) => {
      for (const { target, isIntersecting } of changes) {
        const name = target.getAttribute("data-method") ?? "";
        isIntersecting ? seen.add(name) : seen.delete(name);
      }
      if (mixviz.state.view === "grid" && [...seen].some((name) => stale(name, mixviz.version()))) mixviz.fill();
    },
    { rootMargin: "200px" },
  ); // including cards about to scroll into view
  mixviz.inSight = (version) => {
    if (cards.size) {
      const names = [...seen].filter((name) => stale(name, version));
      for (const name of names) of(cards, name).asked = version;
      return names;
    }
    return [...new Set([...pins, ...Object.keys(mixviz.methods ?? {})])].slice(0, FIRST);
  };
  mixviz.fresh = (name) => cards.get(name)?.version === mixviz.version();

  mixviz.pinned = () => [...pins];
  mixviz.pin = (names) => {
    pins.clear();
    names.forEach((name) => pins.add(name));
    if (cards.size) order();
  };

  /** @param {string} name @param {string} caption */
  function figure(name, caption) {
    const box = make("div", { class: "mv-box" });
    const objects = ["mv-object mv-object-a", "mv-object mv-object-b"].map((kind) =>
      make("div", { class: kind, hidden: true }),
    );
    const tile = make("div", { class: "mv-tile", aria: { role: "img" } }, ...objects, box);
    const text = make("figcaption", { textContent: caption });
    return { node: make("figure", { class: name }, tile, text), tile, box, objects, text };
  }

  // What a card was last asked for and drawn with.
  const UNDRAWN = {
    version: -1,
    asked: -1,
    drawn: "",
    /** @type {string | undefined} */
    sheet: undefined,
  };

  /** @typedef {ReturnType<typeof build>} Parts */

  /** @param {Card} card */
  function build(card) {
    const parts = {
      mixed: figure("mv-mixed", t("mixture")),
      heat: figure("mv-heat", ""),
      cut: figure("mv-cut", ""),
      bar: labelBar(),
      numbers: make("dl", { class: "mv-numbers" }),
      told: make("p", { class: "mv-truth" }),
      note: make("p", { class: "mv-note" }),
      family: card.family,
      title: card.title,
      group: card.group,
    };
    for (const node of [parts.mixed.tile, parts.heat.tile, parts.cut.tile, parts.bar.node])
      node.setAttribute("aria-label", card.title); // until it is drawn
    const pin = make("button", {
      class: "mv-pin",
      aria: { label: t("pin", { title: card.title }), pressed: "false" },
      on: { click: () => toggle(card.name) },
    });
    /** @param {string} key @param {string} view @param {Partial<State>} changes */
    const leads = (key, view, changes) =>
      make("button", {
        class: "mv-open",
        textContent: t(key),
        aria: { label: t(`${key}_method`, { title: card.title }) },
        on: { click: () => mixviz.open(view, { method: card.name, ...changes }) },
      });
    const node = make(
      "article",
      { class: "mv-card", data: { method: card.name } },
      make(
        "header",
        {},
        make("h3", { title: card.citation }, ...byHumps(card.title)),
        make("span", { class: "mv-family", textContent: card.family === "none" ? "" : t(`family.${card.family}`) }),
        pin,
      ),
      make("p", { class: "mv-summary", textContent: t(`summary.${card.name}`) }),
      make(
        "div",
        { class: "mv-tiles" },
        parts.mixed.node,
        make("div", { class: "mv-steps" }, parts.heat.node, parts.cut.node),
      ),
      parts.bar.node,
      parts.numbers,
      parts.told,
      parts.note,
      make(
        "div",
        { class: "mv-foot" },
        leads("look.open", "localize", { subject: "mix" }),
        leads("open", "detail", {}),
      ),
    );
    return { ...parts, pin, node, ...UNDRAWN };
  }

  /** @param {HTMLElement} list @param {Card} card @param {boolean} held */
  function numbers(list, card, held) {
    const rows = [
      [
        t(card.drawn === null ? "lam_none" : held ? "lam_held" : "lam_drawn"),
        card.drawn === null ? t("none") : card.drawn.toFixed(2),
      ],
      [t("areas"), card.layer ? t("none") : card.area[0].toFixed(2)],
      [t("labels"), card.share[0].toFixed(2)],
      [t("fair_label"), card.layer ? t("none") : card.fair[0].toFixed(2)],
    ];
    if (!list.children.length) list.append(...rows.map(() => make("div", {}, make("dt"), make("dd"))));
    rows.forEach(([key, value], i) => {
      const [name, number] = list.children[i].children;
      if (name.textContent !== key) name.textContent = key;
      if (number.textContent !== value) number.textContent = value;
    });
    list.lastElementChild?.classList.toggle("mv-off", card.gap > 0.15);
  }

  /** @param {Parts} parts @param {Card} card @param {Grid} value @param {string} url @param {number} index */
  function update(parts, card, value, url, index) {
    if (parts.version > value.version) return; // a later answer has already been drawn
    parts.version = value.version;
    parts.asked = Math.max(parts.asked, value.version);
    const { names } = value;
    const [a] = names;
    const source = card.pair ? 1 : 0;
    const letter = "AB"[source];
    const patch = card.source || (card.pair ? null : card.target);
    const { mixed, heat, cut } = parts;
    parts.sheet = url;
    place(mixed.tile, url, index, value.columns, value.rows);
    const drawn = `${sheets.still.url} ${source}`;
    if (parts.drawn !== drawn) {
      place(heat.tile, sheets.still.url, 2 + source, 4);
      place(cut.tile, sheets.still.url, source, 4);
      parts.drawn = drawn;
    }
    outline(mixed.box, card.target);
    outline(cut.box, patch);
    outline(heat.box, card.looks ? patch : null);
    heat.node.classList.toggle("mv-unused", !card.looks);
    heat.text.textContent = card.looks ? t("saliency_of", { letter }) : t("not_looked");
    cut.text.textContent = t(!card.pair ? (patch ? "hole_in" : "only_a") : patch ? "patch_of" : "all_of");
    mixed.text.textContent = card.layer ? t("unmixed_layer", { layer: card.layer }) : t("mixture");
    mixed.tile.setAttribute("aria-label", t("alt_mixed", { name: a, title: card.title }));
    heat.tile.setAttribute("aria-label", t("alt_heat", { name: names[source] }));
    cut.tile.setAttribute("aria-label", t(patch ? "alt_patch" : "alt_picture", { name: names[source] }));
    outline(mixed.objects[0], known[0]);
    cut.objects.forEach((box, i) => outline(box, i === source ? known[i] : null));
    parts.bar.update(names, card.share);
    numbers(parts.numbers, card, value.held);
    parts.told.textContent = sentence(card.sentence, names);
    parts.told.title = t(`judge.${value.judge}`);
    parts.note.textContent = [
      card.asks && t("asks", { detector: t(`detector.${value.detector}`) }),
      card.own && t("own_parameters"),
    ]
      .filter(Boolean)
      .join(" ");
  }

  /** @param {Grid} value */
  function describe(value) {
    /** @param {string} kind @param {string} text */
    const key = (kind, text) => make("span", {}, make("i", { class: `mv-key ${kind}` }), text);
    legend.replaceChildren(
      key("mv-a", t("legend_a", { name: value.names[0] })),
      key("mv-b", t("legend_b", { name: value.names[1] })),
      key("mv-patch", t("legend_patch")),
      make("span", { textContent: `${t("legend_fair")}. ${t(`judge.${value.judge}`)}` }),
    );
  }

  /** @param {Grid} value */
  function detectorButtons(value) {
    detectorRow.replaceChildren(
      ...value.detectors.map((detector, i) => {
        const tiles = detector.peaks.map((peak, j) => {
          const mark = make("i", { class: "mv-ring" });
          const tile = make("span", { class: "mv-tile" }, mark);
          place(tile, sheets.detectors.url, 2 * i + j, 2 * value.detectors.length);
          ring(mark, peak);
          return tile;
        });
        return make(
          "button",
          {
            class: "mv-detector",
            data: { detector: detector.name },
            aria: { pressed: "false" },
            on: { click: () => mixviz.change({ detector: detector.name }) },
          },
          make("span", { class: "mv-detector-tiles" }, ...tiles),
          make("b", { textContent: t(`detector.${detector.name}`) }),
          detector.note ? make("small", { textContent: t(detector.note) }) : "",
        );
      }),
    );
  }

  /** @param {Grid} value */
  function chips(value) {
    const known = ["", ...new Set(value.all.map((card) => card.family))];
    families.replaceChildren(
      ...known.map((family) =>
        make("button", {
          class: "mv-chip",
          data: { family },
          textContent: family ? t(`family.${family}`) : t("all"),
          aria: { pressed: "false" },
          on: { click: () => filter({ family }) },
        }),
      ),
    );
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
        detectorButtons(value);
      }
      press(detectorRow, "detector", value.detector);
      if (still) {
        sheets.still.take(still);
        known = value.objects;
        objectSwitch.hidden = !known.some(Boolean);
        for (const { heat, cut } of cards.values())
          [heat, cut].forEach(({ tile }) => (tile.style.backgroundImage = `url(${still})`));
      }
      if (!cards.size) {
        cards = new Map(value.all.map((card) => [card.name, build(card)]));
        for (const { node } of cards.values()) sight.observe(node);
        chips(value);
        order();
      }
      if (mine === turn) describe(value);
      value.cards.forEach((card, index) => update(of(cards, card.name), card, value, mixed, index));
      alive.add(mixed);
      const used = new Set([...cards.values()].map((parts) => parts.sheet));
      for (const url of alive) if (!used.has(url) && alive.delete(url)) URL.revokeObjectURL(url);
      grid.dataset.shown = String(mine); // the number of answers drawn, for tests and timing
    },
  );
}
