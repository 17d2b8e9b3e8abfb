// View of heat maps: a row per network with each class's map and box and the network's predictions. The display (scale,
// colours, strength, threshold, difference) is computed here, so that a change needs no network.
import { boxAt, overlap } from "../lib/boxes.js";
import { csvOf } from "../lib/csv.js";
import { byHumps, hand, make, outline, partOf, press } from "../lib/dom.js";
import { grabOf } from "../lib/grab.js";
import { bytesOf, endsOf, paintDifference, paintHeat, shadesOf, valuesOf } from "../lib/heat.js";
import { percent } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { plotOf } from "../lib/plot.js";
import { Sheet } from "../lib/sheets.js";
import { className, networkName, t } from "../lib/texts.js";

import { penOf } from "../lib/svg.js";

/** @import { About, Context, DrawnRow, Edges, LookAnswer, LookRow, Series } from "../types.js" */

/** @param {Context} context */
export default function localizeView({ element, server }) {
  const root = () => partOf(element);
  const PLAIN = { scale: "image", colours: "inferno", strength: 0.6, threshold: 0.2, to: "", layout: "rows" };
  const show = { ...PLAIN, slot: 0 };
  const query = new URLSearchParams(location.search);
  for (const key of /** @type {const} */ (["scale", "colours", "to", "layout"]))
    show[key] = query.get(key) ?? show[key];
  for (const key of /** @type {const} */ (["threshold", "strength"])) {
    const wanted = Number(query.get(key) ?? NaN);
    if (wanted >= 0 && wanted <= 1) show[key] = Math.min(wanted, 0.99);
  }
  if (!["image", "shared", "raw"].includes(show.scale)) show.scale = "image";
  if (!["rows", "grid"].includes(show.layout)) show.layout = "rows";
  const sheet = new Sheet();
  /** @type {Map<string, DrawnRow>} */
  const rows = new Map();
  /** @type {Record<string, Edges>} */
  const drawnBoxes = {}; // the visitor's own boxes, by picture and class
  const found = new Map(); // the measured faithfulness of networks' maps
  let halted = false;
  /** @type {About} */
  let about;
  /** @type {LookAnswer} */
  let value;
  let turn = 0;
  /** @type {Record<string, Uint8Array>} */
  let tables = {};
  let ends = [0, 1];
  let order = "given";

  /** @param {string} name @param {string[]} choices @param {(choice: string) => void} run */
  const chips = (name, choices, run) => {
    const node = make("div", { class: "mv-chips", aria: { role: "group", label: t(`look.${name}`) } });
    for (const choice of choices)
      node.append(
        make("button", {
          class: "mv-chip",
          data: { choice },
          textContent: t(`look.${name}.${choice}`),
          title: t(`look.${name}.${choice}.why`).startsWith("look.") ? "" : t(`look.${name}.${choice}.why`),
          on: { click: () => run(choice) },
        }),
      );
    return {
      node,
      /** @param {string} chosen */
      mark: (chosen) => {
        press(node, "choice", chosen);
      },
    };
  };
  /** @param {string} id @param {string} label @param {HTMLElement} input @param {...Node} more */
  const field = (id, label, input, ...more) =>
    make(
      "div",
      { class: "mv-field" },
      make("label", { htmlFor: id, textContent: label }),
      Object.assign(input, { id }),
      ...more,
    );
  /** @param {string} value @param {string} text */
  const option = (value, text) => make("option", { value, textContent: text });

  // Controls of the request
  const subject = chips("subject", ["mix", "a", "b"], (choice) => mixviz.set({ subject: choice }));
  const method = make("select", {
    on: { change: ({ target }) => mixviz.open("localize", { method: target.value, subject: "mix" }) },
  });
  const methodField = field("mv-look-method", t("look.mixed_by"), method);
  const known = make("datalist", { id: "mv-classes" });
  const classInputs = [0, 1].map((slot) =>
    make("input", { type: "search", autocomplete: "off", on: { change: () => ask(slot) } }),
  );
  for (const input of classInputs) input.setAttribute("list", "mv-classes");
  const classNotes = [0, 1].map(() => make("small"));
  const kind = make("select", { on: { change: ({ target }) => mixviz.set({ kind: target.value }) } });
  const kindText = make("p", { class: "mv-small" });
  const layer = make("select", { on: { change: ({ target }) => mixviz.set({ layer: target.value }) } });
  const own = () => t("look.own");

  /** @param {number} slot */
  function ask(slot) {
    const typed = classInputs[slot].value.trim();
    const classes = [...mixviz.state.classes];
    classes[slot] = typed === own() ? "*" : typed;
    mixviz.set({ classes });
  }

  // Controls of the display
  const scale = chips("scale", ["image", "shared", "raw"], (choice) => display({ scale: choice }));
  const scaleText = make("p", { class: "mv-small" });
  const colours = make("select", { on: { change: ({ target }) => display({ colours: target.value }) } });
  const to = make("select", { on: { change: ({ target }) => display({ to: target.value }) } });
  const layout = chips("layout", ["rows", "grid"], (choice) => display({ layout: choice }));
  /** @param {"strength" | "threshold"} key */
  const slider = (key) =>
    make("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      on: { input: (event) => display({ [key]: Number(event.target.value) }) },
    });
  const strength = slider("strength");
  const threshold = Object.assign(slider("threshold"), { max: 0.99 });
  const strengthOut = make("output", { htmlFor: "mv-look-strength" });
  const thresholdOut = make("output", { htmlFor: "mv-look-threshold" });

  // Results
  const boxes = [0, 1].map((slot) => make("div", { class: `mv-object mv-object-${"ab"[slot]}` }));
  const stage = make("div", { class: "mv-tile mv-look-stage", aria: { role: "img" } }, ...boxes);
  const grabs = [0, 1].map((slot) =>
    grabOf(stage, t("look.draw_at", { slot: slot + 1 }), (box) => {
      drawnBoxes[boxKey(slot)] = box;
      numbers();
    }),
  );
  stage.append(...grabs.map(({ node }) => node));
  const drawButtons = [0, 1].map((slot) =>
    make("button", { class: "mv-chip", aria: { pressed: "false" }, on: { click: () => draw(slot) } }),
  );
  const verdict = make("p", { class: "mv-told", aria: { live: "polite" } });
  const measured = make("p", { class: "mv-small" });
  const outside = make("p", { class: "mv-small" });
  const curve = plotOf({ name: "iou-over-threshold", dims: true, legend: false });
  const slots = chips("slot", ["0", "1"], (choice) => {
    show.slot = Number(choice);
    numbers();
  });
  const progress = make("progress", { hidden: true, aria: { label: t("look.working") } });
  const stop = make("button", {
    class: "mv-button",
    hidden: true,
    textContent: t("look.stop"),
    on: { click: () => mixviz.stop() && waiting([]) },
  });
  const onward = make("button", {
    class: "mv-button",
    hidden: true,
    textContent: t("look.onward"),
    on: { click: () => mixviz.set({}) },
  });
  const slow = make("p", { class: "mv-note", aria: { role: "status" } });
  const sort = make(
    "select",
    {
      on: {
        change: () => {
          order = sort.value;
          arrange();
        },
      },
    },
    ...["given", "iou", "probability"].map((name) => option(name, t(`look.order.${name}`))),
  );
  const ramp = make("canvas", {
    class: "mv-ramp",
    width: 256,
    height: 1,
    aria: { role: "img", label: t("look.ramp") },
  });
  const rampLow = make("span");
  const rampHigh = make("span");
  const list = make("div", { class: "mv-looks" });
  const takes = make(
    "div",
    { class: "mv-chips" },
    ...["png", "json"].map((kind) =>
      make("button", {
        class: "mv-button",
        textContent: t(`look.take.${kind}`),
        on: { click: () => mixviz.take(kind, { display: { ...show } }) },
      }),
    ),
    make("button", { class: "mv-button", textContent: t("look.take.csv"), on: { click: table } }),
  );
  const command = make("code");
  const faithNote = make("span", { class: "mv-small", aria: { role: "status" } });
  const faithButton = make("button", { class: "mv-button", textContent: t("look.measure"), on: { click: measure } });
  const faithStop = make("button", {
    class: "mv-button",
    hidden: true,
    textContent: t("look.stop"),
    on: { click: () => (halted = true) },
  });
  const ownNote = make("p", { class: "mv-small", aria: { role: "status" } });
  const ownFiles = make("input", {
    type: "file",
    multiple: true,
    accept: ".json,.safetensors",
    aria: { label: t("look.own_network") },
    on: {
      change: async () => {
        await open([...(ownFiles.files ?? [])]);
        ownFiles.value = "";
      },
    },
  });

  const stageCard = make(
    "section",
    { class: "mv-look mv-look-input" },
    make("h3", { textContent: t("look.input") }),
    stage,
    make("div", { class: "mv-look-numbers" }, outside, ...drawButtons),
  );
  list.append(stageCard);

  root().append(
    make("p", { class: "mv-told mv-lead", textContent: t("look.lead") }),
    make(
      "div",
      { class: "mv-panel mv-look-asked" },
      make(
        "div",
        { class: "mv-fields" },
        make("div", { class: "mv-field" }, make("span", { textContent: t("look.subject") }), subject.node),
        methodField,
        ...classInputs.map((input, slot) =>
          field(`mv-look-class-${slot}`, t("look.class", { slot: slot + 1 }), input, classNotes[slot]),
        ),
        known,
        field("mv-look-kind", t("look.kind"), kind),
        field("mv-look-layer", t("look.layer"), layer),
      ),
      kindText,
    ),
    make(
      "div",
      { class: "mv-panel mv-look-shown" },
      make(
        "div",
        { class: "mv-fields" },
        field("mv-look-threshold", t("look.threshold"), threshold, thresholdOut),
        make("div", { class: "mv-field" }, make("span", { textContent: t("look.scale") }), scale.node),
        make("div", { class: "mv-field" }, make("span", { textContent: t("look.layout") }), layout.node),
      ),
      make(
        "details",
        {},
        make("summary", { textContent: t("look.more_ways") }),
        make(
          "div",
          { class: "mv-fields" },
          field("mv-look-to", t("look.to"), to),
          field("mv-look-order", t("look.order"), sort),
          field("mv-look-strength", t("look.strength"), strength, strengthOut),
          field("mv-look-colours", t("look.colours"), colours),
        ),
      ),
      make("div", { class: "mv-ramp-row" }, rampLow, ramp, rampHigh),
      scaleText,
    ),
    verdict,
    make("div", { class: "mv-head mv-waits" }, progress, stop, onward, slow),
    list,
    make(
      "div",
      { class: "mv-two mv-look-head" },
      make(
        "div",
        {},
        make("div", { class: "mv-head mv-slots" }, make("span", { textContent: t("look.slot") }), slots.node),
        measured,
        make(
          "section",
          { class: "mv-panel" },
          make("h3", { textContent: t("take") }),
          takes,
          make("pre", { tabIndex: 0, aria: { label: t("look.command") } }, command),
        ),
        make(
          "section",
          { class: "mv-panel" },
          make("h3", { textContent: t("look.faith") }),
          make("p", { class: "mv-small", textContent: t("look.faith_why") }),
          make("div", { class: "mv-chips" }, faithButton, faithStop, faithNote),
        ),
        make(
          "section",
          { class: "mv-panel" },
          make("h3", { textContent: t("look.own_network") }),
          make("p", { class: "mv-small", textContent: t("look.own_why") }),
          make("div", { class: "mv-load" }, ownFiles),
          ownNote,
        ),
      ),
      curve.node,
    ),
  );

  /** @param {LookRow} row */
  const titleOf = (row) => (row.name === "centre" ? t("look.centre") : networkName(row.name, row.title));
  /** @param {number} slot */
  const boxKey = (slot) => `${value.place}|${slot}`;
  function undraw() {
    grabs.forEach(({ node }, i) => {
      node.hidden = true;
      drawButtons[i].setAttribute("aria-pressed", "false");
    });
  }
  /** @param {number} slot */
  const truth = (slot) => drawnBoxes[boxKey(slot)] ?? value.subject.boxes[slot];
  /** @param {number} slot */
  function draw(slot) {
    const on = drawButtons[slot].getAttribute("aria-pressed") !== "true";
    grabs.forEach(({ node, set }, i) => {
      if (i === slot && on) set(truth(i) ?? [0.25, 0.25, 0.75, 0.75]);
      node.hidden = !(i === slot && on);
      drawButtons[i].setAttribute("aria-pressed", String(i === slot && on));
    });
    if (!on) return;
    drawnBoxes[boxKey(slot)] ??= truth(slot) ?? [0.25, 0.25, 0.75, 0.75];
    show.slot = slot;
    grabs[slot].node.focus();
    numbers();
  }

  /**
   * Builds a network's row once; later answers update it.
   *
   * @param {LookRow} row
   */
  function build(row) {
    const tiles = [0, 1].map(() => {
      const canvas = make("canvas");
      const box = make("div", { class: "mv-box" });
      const object = make("div", { class: "mv-object" });
      const tile = make(
        "div",
        { class: "mv-tile mv-heat-tile", aria: { role: "img" } },
        make("div", { class: "mv-layer" }),
        canvas,
        object,
        box,
      );
      const caption = make("figcaption");
      return { tile, canvas, box, object, caption, node: make("figure", {}, tile, caption) };
    });
    const parts = {
      tiles,
      says: make("div", { class: "mv-guesses" }),
      fits: make("dl", { class: "mv-fits" }),
      error: make("p", { class: "mv-note" }),
      faith: make("div", { class: "mv-faith" }),
    };
    const node = make(
      "article",
      {
        class: "mv-look",
        data: { network: row.name },
        on: { pointerenter: () => curve.light(row.name), pointerleave: () => curve.light(null) },
      },
      make("h3", {}, ...byHumps(titleOf(row))),
      make("div", { class: "mv-look-tiles" }, ...tiles.map(({ node }) => node)),
      make("div", { class: "mv-look-numbers" }, parts.says, parts.fits, parts.faith),
      parts.error,
    );
    return { ...parts, node };
  }
  /** @param {LookRow} row */
  function take(row) {
    const before = rows.get(row.name);
    for (const look of row.looks ?? []) look.bytes ??= bytesOf(look.map);
    const parts = before?.parts ?? build(row);
    rows.set(row.name, { ...row, parts, key: value.key });
    if (!before) list.append(parts.node);
    parts.error.textContent = row.error ?? "";
    if (!row.top) return parts.says.replaceChildren();
    parts.says.replaceChildren(
      make("p", { class: "mv-small", textContent: t("look.says") }),
      ...row.top.map(([name, share]) => {
        const bar = make("i");
        bar.style.width = `${100 * share}%`;
        return make(
          "div",
          { class: "mv-say", data: { hit: String(value.classes.some((one) => one.name === name)) } },
          bar,
          make("span", { textContent: className(name) }),
          make("b", { textContent: percent(share) }),
        );
      }),
    );
  }

  // Rows of an earlier request stay, dimmed, until their network answers again; they do not count.
  const fresh = () => [...rows.values()].filter((row) => row.looks && row.key === value.key);

  // Heat maps, boxes and numbers with the display settings
  function display(change = {}) {
    Object.assign(show, change);
    for (const key of /** @type {(keyof typeof PLAIN)[]} */ (Object.keys(PLAIN))) {
      if (key in change) mixviz.note(key, show[key] === PLAIN[key] ? "" : String(show[key]));
    }
    scale.mark(show.scale);
    layout.mark(show.layout);
    list.dataset.layout = show.layout;
    [strength.value, threshold.value] = [String(show.strength), String(show.threshold)];
    [colours.value, to.value] = [show.colours, show.to];
    [strengthOut.textContent, thresholdOut.textContent] = [percent(show.strength), show.threshold.toFixed(2)];
    if (!value) return;
    const only = Object.keys(change);
    if (!only.length || only.some((key) => ["scale", "colours", "to", "strength"].includes(key))) heat();
    numbers();
  }

  function heat() {
    const all = fresh();
    const reference = all.find((row) => row.name === show.to);
    ends = endsOf(
      all.filter((row) => row.name !== "centre").flatMap((row) => row.looks),
      show.scale,
    );
    list.style.setProperty("--mv-strength", String(show.strength));
    /** @param {LookRow} row @param {number} slot */
    const numbersOf = (row, slot) => valuesOf(row.looks[slot], show.scale, ends);
    let limit = 0;
    const compared = reference && all.filter((row) => row.side === reference.side && row.name !== "centre");
    if (compared)
      for (const row of compared)
        row.less = row.looks.map((_, slot) => {
          const other = numbersOf(reference, slot);
          return numbersOf(row, slot).map((x, i) => x - other[i]);
        });
    for (const row of compared ?? [])
      for (const less of row.less ?? []) for (const x of less) limit = Math.max(limit, Math.abs(x));
    for (const row of all)
      row.looks.forEach((look, slot) => {
        const { canvas } = row.parts.tiles[slot];
        if (compared && row.less)
          paintDifference(
            canvas,
            row.side,
            row.less[slot].map((x) => (limit ? x / limit : 0)),
            tables.PuOr_r,
          );
        else
          paintHeat(
            canvas,
            row.side,
            shadesOf(look, row.name === "centre" ? "image" : show.scale, ends),
            tables[show.colours],
          );
        if (!compared) delete row.less;
      });
    list.classList.toggle("mv-difference", !!compared);
    /** @param {number} x */
    const short = (x) => String(+x.toPrecision(3));
    const shown = compared
      ? [-limit, limit].map(short)
      : show.scale === "image"
        ? [t("look.lowest"), t("look.highest")]
        : ends.map(short);
    [rampLow.textContent, rampHigh.textContent] = compared
      ? [
          t("look.more", { name: titleOf(reference), value: short(limit) }),
          t("look.more_others", { value: short(limit) }),
        ]
      : shown;
    paintRamp(tables[compared ? "PuOr_r" : show.colours]);
    scaleText.textContent = compared
      ? t("look.difference_why", { name: titleOf(reference) })
      : t(`look.scale.${show.scale}.why`);
  }

  /** @param {Uint8Array} colour */
  function paintRamp(colour) {
    const pen = penOf(ramp);
    const image = pen.createImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([colour[3 * i], colour[3 * i + 1], colour[3 * i + 2], 255], 4 * i);
    pen.putImageData(image, 0, 0);
  }

  /** @param {LookRow} row @param {number} slot @param {number} [at] */
  const fit = (row, slot, at = show.threshold) =>
    row.looks?.[slot] && truth(slot) ? overlap(boxAt(row.looks[slot], at, row.side), truth(slot)) : null;

  function numbers() {
    const names = value.classes.map(({ name }) => (name === "*" ? own() : className(name)));
    const here = fresh();
    boxes.forEach((box, slot) => outline(box, truth(slot)));
    for (const row of here) {
      row.looks.forEach((look, slot) => {
        const { box, object, caption, tile } = row.parts.tiles[slot];
        const edges = boxAt(look, show.threshold, row.side);
        outline(box, edges);
        outline(object, truth(slot));
        object.className = `mv-object mv-object-${"ab"[slot]}`;
        const share = look.probability === undefined ? "" : percent(look.probability);
        const fits = truth(slot) ? t("look.iou", { iou: (fit(row, slot) ?? 0).toFixed(2) }) : "";
        caption.replaceChildren(
          make("b", { textContent: look.class ? className(look.class) : names[slot] }),
          make("br"),
          [share, fits].filter(Boolean).join(" · "),
        );
        tile.setAttribute(
          "aria-label",
          t(look.range ? "look.alt" : "look.nowhere", {
            title: titleOf(row),
            name: look.class ? className(look.class) : names[slot],
          }),
        );
        tile.classList.toggle("mv-nowhere", !look.range);
      });
      const card = standard() && about.networks[row.name]?.measured;
      row.parts.fits.replaceChildren(
        ...(card
          ? [
              make(
                "div",
                {},
                make("dt", {
                  textContent: "MaxBoxAccV2",
                  title: t("look.measured_at", { images: card.images.toLocaleString("en") }),
                }),
                make("dd", { textContent: `${score(row.name).toFixed(1)}\u00a0%` }),
              ),
            ]
          : []),
      );
    }
    const slot = truth(show.slot) ? show.slot : ([0, 1].find((one) => truth(one)) ?? show.slot);
    slots.mark(String(slot));
    [...slots.node.children].forEach((chip, i) => {
      chip.textContent = names[i];
      chip.toggleAttribute("disabled", !truth(i));
    });
    const boxed = here.filter(() => truth(slot));
    /** @type {Series[]} */
    const series = boxed.map((row, i) => ({
      key: row.name,
      title: titleOf(row),
      index: row.name === "centre" ? 0 : i,
      colour: row.name === "centre" ? "var(--body-text-color)" : undefined,
      dash: row.name === "centre" ? "2 4" : undefined,
      points: row.looks[slot].boxes.map((_, k) => ({
        x: k / row.looks[slot].boxes.length,
        y: fit(row, slot, k / row.looks[slot].boxes.length) ?? 0,
      })),
    }));
    curve.node.hidden = !boxed.length;
    if (slots.node.parentElement) slots.node.parentElement.hidden = !boxed.length;
    curve.update({
      title: t("look.curve"),
      x: { label: "τ", low: 0, high: 1 },
      y: { label: "IoU", low: 0, high: 1 },
      series,
      at: show.threshold,
      note: t("look.curve_why"),
    });
    tell(slot, names);
    drawButtons.forEach((button, i) => {
      button.textContent = t(value.subject.boxes[i] || drawnBoxes[boxKey(i)] ? "look.move_box" : "look.draw_box", {
        name: names[i],
      });
    });
    if (order !== "given") arrange();
  }

  // The card's number was measured for Grad-CAM at two layers.
  const standard = () => mixviz.state.kind === "grad_cam" && ["", "0"].includes(mixviz.state.layer);
  /** @param {string} name */
  const score = (name) => about.networks[name].measured[mixviz.state.layer === "0" ? "last" : "layer"];

  /** @param {number} slot @param {string[]} names */
  function tell(slot, names) {
    const networks = fresh().filter((row) => row.name !== "centre");
    const centre = rows.get("centre");
    if (!truth(slot)) verdict.textContent = t("look.no_box");
    else if (networks.length) {
      const best = networks.reduce((a, b) => ((fit(b, slot) ?? 0) > (fit(a, slot) ?? 0) ? b : a));
      const middle = (centre && fit(centre, slot)) ?? 0;
      const values = {
        title: titleOf(best),
        name: names[slot],
        threshold: show.threshold.toFixed(2),
        iou: (fit(best, slot) ?? 0).toFixed(2),
        centre: middle.toFixed(2),
        below: networks.filter((row) => (fit(row, slot) ?? 0) < middle).length,
        count: networks.length,
      };
      verdict.textContent = t("look.verdict", values);
    }
    const cards = networks.filter((row) => about.networks[row.name]?.measured);
    measured.hidden = !standard() || cards.length < 2;
    if (measured.hidden) return;
    const sorted = [...cards].sort((a, b) => score(b.name) - score(a.name));
    const { images, centre: middle } = about.networks[sorted[0].name].measured;
    const p = score(sorted[0].name) / 100;
    measured.textContent = t("look.measured", {
      images: images.toLocaleString("en"),
      best: titleOf(sorted[0]),
      high: score(sorted[0].name).toFixed(1),
      last: titleOf(sorted[sorted.length - 1]),
      low: score(sorted[sorted.length - 1].name).toFixed(1),
      centre: middle.toFixed(1),
      error: (100 * Math.sqrt((p * (1 - p)) / images)).toFixed(1),
    });
  }

  function arrange() {
    const first = mixviz.state.first;
    const slot = truth(show.slot) ? show.slot : 0;
    const all = [...rows.values()];
    const given = ["centre", ...value.all];
    /** @type {Record<string, (row: LookRow) => number>} */
    const keys = {
      given: (row) => given.length - given.indexOf(row.name),
      iou: (row) => fit(row, slot) ?? -1,
      probability: (row) => row.looks?.[show.slot].probability ?? -1,
    };
    const key = keys[order];
    all.sort(
      (a, b) =>
        Number(b.name === first) - Number(a.name === first) ||
        (order === "given" ? Number(a.name === "centre") - Number(b.name === "centre") : 0) ||
        key(b) - key(a),
    );
    list.append(stageCard, ...all.map((row) => row.parts.node));
    for (const row of all) row.parts.node.classList.toggle("mv-first", row.name === first);
  }

  /** @param {string[]} pending */
  function waiting(pending) {
    const done = [...rows.values()].filter((row) => row.key === value.key && row.name !== "centre").length;
    for (const row of rows.values()) row.parts.node.classList.toggle("mv-stale", row.key !== value.key);
    progress.hidden = stop.hidden = !pending.length;
    Object.assign(progress, { max: done + pending.length, value: done });
    const left = value.all.length - done;
    slow.textContent = pending.length
      ? t("look.waits", { done, all: done + pending.length })
      : left > 0
        ? t("look.stopped", { done, all: value.all.length })
        : value.slow
          ? t("look.slow")
          : "";
    onward.hidden = pending.length > 0 || left <= 0;
  }

  function table() {
    const head = ["network", "class", "probability", "threshold", "top", "left", "bottom", "right", "iou"];
    const lines = fresh().flatMap((row) =>
      row.looks.map((look, slot) => [
        row.name,
        look.class ?? value.classes[slot].name,
        look.probability ?? "",
        show.threshold,
        ...(boxAt(look, show.threshold, row.side) ?? ["", "", "", ""]),
        fit(row, slot) ?? "",
      ]),
    );
    hand(csvOf([head, ...lines]), "mixviz-looks.csv");
  }

  function controls() {
    const { state } = mixviz;
    subject.mark(value.subject.of);
    methodField.hidden = value.subject.of !== "mix";
    method.value = state.method;
    value.classes.forEach(({ name, known: sure }, slot) => {
      const asked = state.classes[slot];
      if (document.activeElement !== classInputs[slot]) classInputs[slot].value = name === "*" ? own() : name;
      classNotes[slot].textContent = asked ? "" : t(sure ? "look.known" : "look.guessed", { letter: "AB"[slot] });
    });
    kind.value = state.kind;
    layer.value = state.layer;
    const told = about.kinds.find((one) => one.name === kind.value);
    kindText.textContent = `${t(`kind.${kind.value}`)} ${told?.slow ? t("look.slow_kind") : ""}`;
    outside.textContent = [
      value.subject.inside && t("look.inside"),
      t("look.sees", { side: about.networks[value.all[0]].side, count: about.classes.length }),
    ]
      .filter(Boolean)
      .join(" ");
    command.textContent = value.command;
    document.body.dataset.subject = value.subject.of;
  }

  // Faithfulness takes about a second per network, so it is measured on request, network by network.
  async function measure() {
    const key = value.key;
    const { state } = mixviz;
    faithButton.disabled = true;
    faithStop.hidden = false;
    halted = false;
    for (const row of fresh().filter((one) => one.name !== "centre")) {
      if (halted || value.key !== key) break;
      const answer = await mixviz.question("trust", { ...state, only: [row.name] }, server);
      if (answer.message) {
        faithNote.textContent = answer.message;
        break;
      }
      found.set(`${key}|${row.name}`, answer.faith);
      faithNote.textContent = t("look.waits", {
        done: fresh().filter((one) => found.has(`${key}|${one.name}`)).length,
        all: value.all.length,
      });
      faith();
    }
    faithButton.disabled = false;
    faithStop.hidden = true;
  }

  function faith() {
    for (const row of rows.values()) {
      const numbers = found.get(`${value.key}|${row.name}`);
      row.parts.faith.hidden = !numbers;
      if (!numbers) continue;
      /** @param {string} name */
      const line = (name) =>
        make(
          "tr",
          {},
          make("th", { scope: "row", textContent: t(`look.faith.${name}`) }),
          ...numbers.map((/** @type {Record<string, number | null>} */ one) =>
            make("td", { textContent: one[name] === null ? "" : one[name].toFixed(name === "average_drop" ? 0 : 2) }),
          ),
        );
      row.parts.faith.replaceChildren(
        make(
          "table",
          { class: "mv-faithful" },
          make("tbody", {}, ...["deletion", "insertion", "average_drop", "road"].map(line)),
        ),
      );
    }
  }

  /**
   * Loads a visitor's own network from two files, which the server validates.
   *
   * @param {File[]} files
   */
  async function open(files) {
    const card = files.find((file) => file.name.endsWith(".json"));
    const weights = files.find((file) => file.name.endsWith(".safetensors"));
    if (!card || !weights || files.length !== 2) return (ownNote.textContent = t("look.own_two"));
    if (files.some((file) => file.size > 64e6)) return (ownNote.textContent = t("look.own_large"));
    ownNote.textContent = t("look.own_reading");
    const paths = await mixviz.upload([card, weights]);
    if (!paths) return (ownNote.textContent = t("failed"));
    const own = [...mixviz.state.own, paths];
    const answer = await mixviz.question("about", { own }, server);
    if (answer.message) return (ownNote.textContent = answer.message);
    ownNote.textContent = t("look.own_there", { name: Object.values(answer.networks).at(-1).title });
    learn(answer);
    mixviz.set({ own });
  }

  async function prepare() {
    const answer = await mixviz.question("about", { own: mixviz.state.own }, server);
    if (answer.message) return mixviz.say(answer.message);
    learn(answer);
    for (const [name, [title]] of Object.entries(mixviz.methods)) method.append(option(name, title));
  }

  /** @param {any} answer */
  function learn(answer) {
    about = answer;
    tables = Object.fromEntries(Object.entries(about.colours).map(([name, text]) => [name, bytesOf(text)]));
    if (!(show.colours in tables) || show.colours === "PuOr_r") show.colours = "inferno";
    if (!(show.to in about.networks)) show.to = "";
    for (const node of [known, kind, layer, colours, to]) node.replaceChildren();
    known.append(
      option(own(), ""),
      ...about.classes.map((name) => option(name, className(name) === name ? "" : className(name))),
    );
    kind.append(...about.kinds.map((one) => option(one.name, one.title)));
    layer.append(
      option("", t("look.layer.card")),
      ...about.layers.map((one) =>
        option(
          one.earlier,
          t(one.earlier === "0" ? "look.layer.last" : "look.layer.earlier", {
            size: one.size.join("×"),
            earlier: one.earlier,
          }),
        ),
      ),
    );
    colours.append(
      ...Object.keys(about.colours)
        .filter((name) => name !== "PuOr_r")
        .map((name) => option(name, name)),
    );
    to.append(
      option("", t("look.to.none")),
      ...Object.entries(about.networks).map(([name, one]) => option(name, networkName(name, one.title))),
    );
  }

  mixviz.views("localize", async (answer) => {
    const mine = ++turn;
    if (!about) await prepare();
    if (!about) return;
    const url = await sheet.open(answer.subject.picture);
    for (const [name, { parts }] of rows)
      if (!answer.all.includes(name) && name !== "centre" && rows.delete(name)) parts.node.remove();
    if (value && value.place !== answer.place) undraw();
    value = answer;
    list.style.setProperty("--mv-picture", `url("${url}")`);
    stage.style.backgroundImage = `url("${url}")`;
    sheet.take(url);
    stage.setAttribute("aria-label", t(`look.subject.${answer.subject.of}`));
    for (const row of answer.rows) take(row);
    take({ ...answer.centre, looks: [answer.centre, answer.centre].map((one) => ({ ...one })) });
    controls();
    faith();
    waiting(mixviz.stopped() ? [] : answer.pending);
    display();
    arrange();
    root().dataset.shown = String(mine);
  });
}
