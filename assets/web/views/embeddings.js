// View of embeddings: the same pictures in each network's plane, with neighbours, distances and numbers.
import { csvOf } from "../lib/csv.js";
import { hand, make, partOf, press } from "../lib/dom.js";
import { percent, percentage } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { stylesOf } from "../lib/points.js";
import { markOf, paintPoints, scatterOf } from "../lib/scatter.js";
import { Sheet } from "../lib/sheets.js";
import { handFigure } from "../lib/svg.js";
import { className, networkName, t } from "../lib/texts.js";

import { answersOf } from "./embeddings/answers.js";
import { MOST, folderOf } from "./embeddings/folder.js";

/**
 * @import {
 *   Context,
 *   EmbeddingsView,
 *   Entry,
 *   Folder,
 *   Lit,
 *   Network,
 *   Overview,
 *   Placement,
 *   Spot,
 *   State,
 *   Style,
 *   Thumbnails,
 * } from "../types.js"
 */

/** @type {Spot} a point that is not drawn */
const NOBODY = { x: 0, y: 0, own: true, group: "", title: "", lines: () => [] };

/** @param {Context} context */
export default function embeddingsView(context) {
  const { element, server } = context;
  const root = () => partOf(element);
  /** @type {Overview} */
  let fixed;
  /** @type {Promise<any> | null} */
  let coming = null;
  /** @type {Placement} */
  let value;
  /** @type {Thumbnails} */
  let thumbs;
  /** @type {{ url: string, photographs: { stem: string, placed: Record<string, any> }[] }} */
  let photos;
  /** @type {Folder | null} */
  let own = null;
  let colour = "class";
  /** @type {number | null} */
  let hovered = null;
  /** @type {number | null} */
  let pinned = null;
  let subject = "a";
  let turn = 0;
  /** @type {Record<string, boolean>} */
  const withOwn = { ab: true, photographs: false };
  const scatter = scatterOf();
  const network = () =>
    fixed.networks.find(({ name }) => name === (mixviz.state.network || value.network)) ?? fixed.networks[0];
  const plane = () => mixviz.state.plane;
  const folder = () => /** @type {Folder} */ (own); // where there is one
  const inFolder = () => !!own?.shown;
  /** @param {Record<string, string>} data @param {string} text @param {(event: any) => unknown} click */
  const chip = (data, text, click) => make("button", { class: "mv-chip", data, textContent: text, on: { click } });
  /** @param {string} label @param {...HTMLElement} buttons */
  const chips = (label, ...buttons) => make("div", { class: "mv-chips", aria: { role: "group", label } }, ...buttons);

  // ---- layout
  const intro = make("p", { class: "mv-told" });
  const choose = make("select", { id: "mv-embed-network", on: { change: ({ target }) => pick(target.value) } });
  const planes = chips(
    t("embed.plane"),
    ...["pca", "tsne"].map((name) => chip({ plane: name }, t(`embed.${name}`), () => change({ plane: name }))),
  );
  const colours = chips(
    t("embed.colour"),
    ...["class", "cluster"].map((name) =>
      chip({ colour: name }, t(`embed.by_${name}`), () => {
        [colour, pinned] = [name, null];
        drawAll();
      }),
    ),
  );
  const sources = chips(
    t("embed.source"),
    ...["stored", "own"].map((name) =>
      chip({ source: name }, t(`embed.source_${name}`), () => {
        folder().shown = name === "own";
        pinned = null;
        drawAll();
      }),
    ),
  );
  const switches = ["ab", "photographs"].map((name) =>
    make("input", { type: "checkbox", name, on: { change: (event) => show(name, event.target.checked) } }),
  );
  const toggles = make(
    "div",
    { class: "mv-chips" },
    ...switches.map((box) => make("label", { class: "mv-check" }, box, t(`embed.show_${box.name}`))),
  );
  const title = make("h2");
  const legend = make("div", { class: "mv-kinds" });
  const groupsTitle = make("h3");
  const groupsWhy = make("p", { class: "mv-small" });
  const note = make("p", { class: "mv-small" });
  const parcels = make(
    "div",
    { class: "mv-chips" },
    ...["svg", "png", "csv"].map((kind) =>
      make("button", {
        class: "mv-chip",
        data: { take: kind },
        textContent: kind.toUpperCase(),
        aria: { label: t("plot.take", { kind: kind.toUpperCase() }) },
        on: { click: () => take(kind) },
      }),
    ),
  );
  const many = make("div", { class: "mv-many" });
  const near = make("div", { class: "mv-nears" });
  const about = [0, 1].map(() =>
    chips(
      t("embed.subject"),
      ...["a", "b"].map((name) =>
        chip({ subject: name }, "", () => {
          subject = name;
          drawNear();
          drawFar();
        }),
      ),
    ),
  );
  const far = make("div", { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t("embed.far") } });
  const farTold = make("p", { class: "mv-told" });
  const table = make("div", { class: "mv-wide", tabIndex: 0, aria: { role: "region", label: t("embed.numbers") } });
  const tableNote = make("p", { class: "mv-small" });
  const progress = make("p", { class: "mv-told", aria: { role: "status" } });
  const missing = make("ul", { class: "mv-small mv-left-out" });
  const ownTable = make("div", {
    class: "mv-wide",
    tabIndex: 0,
    hidden: true,
    aria: { role: "region", label: t("embed.folder") },
  });
  const inputs = /** @type {[string, object][]} */ ([
    ["folder", { webkitdirectory: true }],
    ["pictures", { accept: `image/*,${t("endings")}` }],
  ]).map(([name, more]) =>
    make("input", { type: "file", multiple: true, name, ...more, on: { change: (event) => send(event.target) } }),
  );
  const all = make("button", {
    class: "mv-button",
    textContent: t("embed.all"),
    hidden: true,
    on: { click: () => measureAll() },
  });
  /** @param {string} key @param {...Node | string} children */
  const panel = (key, ...children) =>
    make(
      "section",
      { class: "mv-panel", data: { part: key } },
      make("h3", { textContent: t(`embed.${key}`) }),
      ...children,
    );
  const whole = make(
    "div",
    { hidden: true },
    make("div", { class: "mv-about" }, make("h2", { textContent: t("embed.title") }), intro),
    make(
      "div",
      { class: "mv-head" },
      make("label", { htmlFor: choose.id, textContent: t("embed.network") }),
      choose,
      planes,
      colours,
      sources,
      toggles,
    ),
    make(
      "div",
      { class: "mv-embed" },
      make(
        "section",
        { class: "mv-panel" },
        make("div", { class: "mv-plot-head" }, title, parcels),
        ...scatter.nodes,
        note,
      ),
      make("section", { class: "mv-panel" }, groupsTitle, groupsWhy, legend),
    ),
    panel("side_by_side", make("p", { class: "mv-small", textContent: t("embed.side_why") }), many),
    panel("neighbours", about[0], make("p", { class: "mv-small", textContent: t("embed.neighbours_why") }), near),
    panel("far", farTold, about[1], far, make("p", { class: "mv-small", textContent: t("embed.far_why") })),
    panel("numbers", table, tableNote, terms(["purity", "nmi", "map", "p1", "auroc"])),
    panel(
      "folder",
      make("p", { class: "mv-told", textContent: t("embed.folder_why", { most: MOST }) }),
      make(
        "div",
        { class: "mv-load" },
        ...inputs.map((input) => make("label", { class: "mv-file" }, t(`embed.choose_${input.name}`), input)),
        all,
      ),
      progress,
      missing,
      ownTable,
    ),
  );
  const waiting = make("p", { class: "mv-told", textContent: t("embed.loading"), aria: { role: "status" } });
  root().append(waiting, whole);

  /** @type {EmbeddingsView} */
  const view = {
    context,
    root,
    scatter,
    inputs,
    progress,
    missing,
    all,
    ownTable,
    about,
    near,
    far,
    farTold,
    table,
    tableNote,
    network,
    plane,
    pick: (name) => pick(name),
    drawAll: () => drawAll(),
    get fixed() {
      return fixed;
    },
    get value() {
      return value;
    },
    get thumbs() {
      return thumbs;
    },
    get subject() {
      return subject;
    },
    get own() {
      return own;
    },
    set own(sent) {
      own = sent;
    },
    get pinned() {
      return pinned;
    },
    set pinned(group) {
      pinned = group;
    },
  };
  const { drawNear, drawFar, drawTable, rank } = answersOf(view);
  const { send, layOut, measureAll, drawOwn } = folderOf(view, rank);

  /** @param {string[]} keys */
  function terms(keys) {
    return make(
      "dl",
      { class: "mv-terms" },
      ...keys.flatMap((key) => [
        make("dt", { textContent: t(`embed.${key}`) }),
        make("dd", { textContent: t(`embed.${key}_is`) }),
      ]),
    );
  }

  // ---- what is shown
  const set = () => fixed.sets[network().set];
  const laid = () => folder().laid[network().name];
  /** @returns {string[]} */
  const groups = () => (inFolder() ? (laid()?.classes ?? []) : set().classes);
  const clusterOf = () => (inFolder() ? laid()?.clusters : network().clusters);
  const byCluster = () => colour === "cluster" && !!clusterOf();
  const stylesNow = () =>
    byCluster() ? stylesOf(Math.max(...clusterOf()) + 1) : stylesOf(groups().length, inFolder() ? [] : set().kinds);
  /** @param {number} label */
  const nameOf = (label) =>
    label < 0 ? t("embed.no_class") : inFolder() ? groups()[label] : className(groups()[label]);
  /** @param {number} index */
  const tileAt = (index) =>
    thumbs && thumbs.set === network().set && { url: thumbs.url, index, columns: thumbs.columns, rows: thumbs.rows };

  /** @param {string} name */
  const networkOf = (name) => /** @type {Network} */ (fixed.networks.find((other) => other.name === name));

  /** @param {string} name @returns {Spot[]} */
  function pointsOf(name) {
    const its = networkOf(name);
    const from = inFolder() ? folder().laid[name] : its;
    const flat = from?.[plane()] ?? from?.pca;
    if (!flat) return [];
    /** @type {number[]} */
    const labels = inFolder() ? from.label : fixed.sets[its.set].label;
    const clusters = from.clusters;
    const points = labels.map((label, i) => {
      const [x, y] = [flat[2 * i], flat[2 * i + 1]];
      return {
        x,
        y,
        label,
        cluster: clusters?.[i],
        group: colour === "cluster" && clusters ? clusters[i] : label,
        title: inFolder() ? `${nameOf(label)} · ${folder().names[i].split("/").at(-1)}` : nameOf(label),
        tile: inFolder() ? folder().sheets[i] : tileAt(i),
        lines: () => [
          ...(clusters && clusters[i] >= 0 ? [t("embed.in_cluster", { k: clusters[i] + 1 })] : []),
          `(${x.toFixed(3)}, ${y.toFixed(3)})`,
        ],
      };
    });
    return inFolder() ? points : [...points, ...ownPoints(name)];
  }

  /** @param {string} name @returns {Spot[]} */
  function ownPoints(name) {
    const guessed = plane() === "tsne";
    /** @param {string} title @param {any} placed @param {object} more */
    const point = (title, placed, more) => {
      if (!placed?.[plane()]) return [];
      const [x, y] = placed[plane()];
      return [
        {
          own: true,
          guessed,
          x,
          y,
          group: "own",
          title,
          ...more,
          lines: () => [
            t("embed.takes_for", { name: className(set().classes[placed.class]), share: percent(placed.probability) }),
            guessed ? t("embed.guessed") : `(${x.toFixed(3)}, ${y.toFixed(3)})`,
          ],
        },
      ];
    };
    return [
      ...(withOwn.photographs && photos
        ? photos.photographs.flatMap(({ stem, placed }, i) =>
            point(mixviz.labels[stem] ?? stem, placed[name], {
              tile: { url: photos.url, index: i, columns: 20, rows: 1 },
            }),
          )
        : []),
      ...(withOwn.ab
        ? ["a", "b"].flatMap((key, i) =>
            point(`${key.toUpperCase()}: ${value.names[i]}`, value.placed[key][name], {
              letter: key.toUpperCase(),
              tile: { url: value.urls[i], index: 0, columns: 1, rows: 1 },
            }),
          )
        : []),
    ];
  }

  /** @returns {Lit} */
  const litNow = () => {
    const wanted = hovered ?? pinned;
    return wanted === null ? null : (point) => point.group === wanted;
  };

  // ---- drawing
  function drawAll() {
    choose.value = network().name;
    press(planes, "plane", plane());
    press(colours, "colour", byCluster() ? "cluster" : "class");
    press(sources, "source", inFolder() ? "own" : "stored");
    colours.hidden = !clusterOf();
    sources.hidden = !own?.names.length;
    toggles.hidden = inFolder();
    switches.forEach((box) => {
      box.checked = withOwn[box.name];
    });
    title.textContent = `${network().title} · ${t(`embed.${plane()}`)}`;
    drawLegend();
    drawPlot();
    drawNear();
    drawFar();
    drawTable();
    drawOwn();
  }

  function drawPlot() {
    const points = pointsOf(network().name);
    const here = inFolder() ? laid()?.here : network().here;
    const count = inFolder() ? folder().names.length : set().label.length;
    const told = t("embed.plot", { network: network().title, plane: t(`embed.${plane()}`), count });
    scatter.update({ points, styles: stylesNow(), lit: litNow(), label: `${told} ${t("embed.keys")}` });
    const held = inFolder() ? laid() : network();
    const each = set().label.filter((label) => label === set().label[0]).length;
    note.textContent = [
      plane() === "pca" ? t("embed.pca_is", { share: held ? percent(held.explained) : "–" }) : t("embed.tsne_is"),
      plane() === "tsne" && !inFolder() && (withOwn.ab || withOwn.photographs) ? t("embed.tsne_own") : "",
      here
        ? t("embed.here", {
            images: here.images,
            purity: percentage(here.purity_percent),
            nmi: percentage(here.nmi_percent),
          })
        : "",
      inFolder() ? "" : t("embed.which", { count, each, all: network().card?.images ?? "–" }),
      inFolder() || !thumbs || thumbs.url ? "" : t(thumbs.reason, { data: set().data }),
    ]
      .filter(Boolean)
      .join(" ");
    drawMany();
  }

  function drawMany() {
    const lit = litNow();
    if (many.children.length !== fixed.networks.length)
      many.replaceChildren(
        ...fixed.networks.map((its) =>
          make(
            "button",
            { class: "mv-mini", data: { network: its.name }, on: { click: () => pick(its.name) } },
            make("canvas", { aria: { hidden: "true" } }),
            make("b", { textContent: its.title }),
            make("small"),
          ),
        ),
      );
    const kinds = set().kinds;
    fixed.networks.forEach((its, i) => {
      const button = many.children[i];
      const [canvas, , small] = button.children;
      const points = pointsOf(its.name).filter((point) => !point.own);
      const side = Math.round(button.clientWidth - 14);
      const numbers = inFolder() ? folder().laid[its.name]?.here : its.card;
      button.setAttribute("aria-pressed", String(its.name === network().name));
      small.textContent = numbers
        ? t("embed.mini", {
            purity: percentage(numbers.purity_percent),
            map: percentage(numbers.retrieval_map_percent),
          })
        : inFolder() && !points.length
          ? t("embed.not_yet")
          : "";
      const clusters = inFolder() ? folder().laid[its.name]?.clusters : its.clusters;
      const styles =
        colour === "cluster" && clusters
          ? stylesOf(Math.max(...clusters) + 1)
          : inFolder()
            ? stylesOf(groups().length)
            : stylesOf(fixed.sets[its.set].classes.length, fixed.sets[its.set].kinds ?? kinds);
      // Clusters differ between networks, so a cluster highlighted here means nothing in another network.
      if (side > 0)
        paintPoints(
          /** @type {HTMLCanvasElement} */ (canvas),
          side,
          points.length ? points : [NOBODY],
          styles,
          colour === "cluster" && its.name !== network().name ? null : lit,
          { radius: 2.4, edge: 6 },
        );
    });
  }

  /** @param {number | null} group */
  function light(group) {
    hovered = group;
    scatter.update({ lit: litNow() });
    drawMany();
  }

  /** @param {number} group @param {string} text @param {Style | undefined} style */
  function groupButton(group, text, style) {
    const press = () => {
      pinned = pinned === group ? null : group;
      for (const button of legend.querySelectorAll("button"))
        button.setAttribute("aria-pressed", String(button.dataset.group === String(pinned)));
      light(null);
    };
    return make(
      "button",
      {
        class: "mv-group",
        data: { group },
        aria: { pressed: String(pinned === group) },
        on: {
          click: press,
          pointerenter: () => light(group),
          pointerleave: () => light(null),
          focus: (event) => event.target.matches(":focus-visible") && light(group),
          blur: () => light(null),
        },
      },
      markOf(style),
      text,
    );
  }

  // The legend's entries by kind: [kind, [{group, text, style}]].
  /** @returns {[kind: string, entries: Entry[]][]} */
  function entries() {
    const styles = stylesNow();
    if (byCluster()) return [["", styles.map((style, group) => ({ group, style, text: clusterSays(group) }))]];
    const kinds = inFolder() ? [] : set().kinds;
    const all = groups().map((_, group) => ({
      group,
      style: styles[group],
      text: nameOf(group),
      kind: kinds[group] ?? "",
    }));
    return [...new Set(all.map(({ kind }) => kind))].map((kind) => [kind, all.filter((entry) => entry.kind === kind)]);
  }

  /** @param {number} k */
  function clusterSays(k) {
    const clusters = clusterOf();
    const inside = /** @type {number[]} */ ((inFolder() ? laid() : set()).label).filter((_, i) => clusters[i] === k);
    /** @type {Record<number, number>} */
    const counts = {};
    for (const label of inside) counts[label] = (counts[label] ?? 0) + 1;
    const [most, count] = Object.entries(counts).sort((x, y) => y[1] - x[1])[0] ?? [-1, 0];
    return t("embed.cluster", { k: k + 1, name: nameOf(+most), count, n: inside.length });
  }

  function drawLegend() {
    const all = entries();
    const what = t(byCluster() ? "embed.clusters" : "embed.groups");
    groupsTitle.textContent = what;
    groupsWhy.textContent = [t("embed.groups_why"), all.some(([kind]) => kind) ? t("embed.groups_kinds") : ""].join(
      " ",
    );
    legend.replaceChildren(
      ...all.map(([kind, list]) =>
        make(
          "div",
          { class: "mv-kind", aria: { role: "group", label: kind ? t(`embed.kind.${kind}`) : what } },
          ...(kind ? [make("b", { textContent: t(`embed.kind.${kind}`) })] : []),
          ...list.map(({ group, text, style }) => groupButton(group, text, style)),
        ),
      ),
    );
  }

  // ---- changes
  /** @param {Partial<State>} changes */
  function change(changes) {
    Object.assign(mixviz.state, { network: network().name }, changes);
    if (inFolder())
      layOut(network().name).catch((error) => {
        progress.textContent = error.message;
      });
    drawAll();
    mixviz.set({});
  }
  /** @param {string} name */
  const pick = (name) => change({ network: name });

  /** @param {string} name @param {boolean} wanted */
  async function show(name, wanted) {
    withOwn[name] = wanted;
    if (name === "photographs" && wanted && !photos) {
      const answer = await mixviz.question("photographs", {}, server);
      if (answer.message) return mixviz.say(answer.message);
      photos = { ...answer, url: await new Sheet().open(answer.sheet) };
    }
    drawAll();
  }

  /** @param {string} kind */
  async function take(kind) {
    const name = `mixviz-${network().name}-${plane()}.${kind}`;
    if (kind !== "csv") {
      const figure = await scatter.figure(
        title.textContent,
        entries().flatMap(([, list]) => list),
      );
      return handFigure(figure, kind, name);
    }
    const rows = pointsOf(network().name).map((point) => [
      point.title,
      (point.cluster ?? -1) >= 0 ? (point.cluster ?? 0) + 1 : "",
      point.x,
      point.y,
    ]);
    hand(csvOf([[t("embed.by_class"), t("embed.by_cluster"), "x", "y"], ...rows]), name);
  }

  // ---- answers of the server
  function tell() {
    const cards = fixed.networks
      .filter(({ card }) => card)
      .sort((x, y) => x.card.precision_at_1_percent - y.card.precision_at_1_percent);
    const [worst, best] = [cards[0], cards[cards.length - 1]];
    const { dimensions } = fixed.networks[0];
    intro.textContent = [
      t("embed.intro", { dimensions }),
      cards.length
        ? t("embed.intro_numbers", {
            images: best.card.images,
            low: percentage(worst.card.precision_at_1_percent),
            worst: worst.title,
            high: percentage(best.card.precision_at_1_percent),
            best: best.title,
          })
        : "",
    ].join(" ");
    const left = Object.entries(fixed.left_out).map(([name, reason]) => `${name}: ${reason}`);
    choose.replaceChildren(
      ...fixed.networks.map(({ name, title }) => make("option", { value: name, textContent: title })),
    );
    missing.replaceChildren(...left.map((text) => make("li", { textContent: text })));
    // light or dark
    new MutationObserver(() => drawAll()).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    new ResizeObserver(() => drawMany()).observe(many);
  }

  async function thumbnails() {
    const answer = await mixviz.question("thumbnails", { network: network().name }, server);
    const url = answer.sheet && (await new Sheet().open(answer.sheet));
    thumbs = {
      url,
      set: network().set,
      columns: answer.columns,
      rows: Math.ceil(set().label.length / (answer.columns || 1)),
      reason: answer.reason ?? "embed.data_none",
    };
    drawAll();
    root().dataset.thumbnails = String(!!url);
  }

  mixviz.views("embeddings", async (answer) => {
    const mine = ++turn;
    const urls = await Promise.all(["a", "b"].map((key) => new Sheet().open(answer.pictures[key])));
    if (!fixed) {
      coming ??= mixviz.question("overview", {}, server);
      const known = await coming;
      if (known.message) coming = null;
      if (known.message) mixviz.say(known.message);
      else
        fixed = {
          ...known,
          networks: known.networks.map((/** @type {Network} */ its) => ({
            ...its,
            title: networkName(its.name, its.title),
          })),
        };
    }
    if (mine !== turn || !fixed) return urls.forEach((url) => URL.revokeObjectURL(url));
    const first = !value;
    value?.urls.forEach((url) => URL.revokeObjectURL(url));
    value = { ...answer, urls };
    whole.hidden = false;
    waiting.hidden = true;
    if (first) tell();
    drawAll();
    root().dataset.shown = String(mine);
    if (first) thumbnails();
  });
}
