// Interpolation from B to A in two ways. The networks answer one after the other, each for all steps, so that the first
// curve is there early and the slider needs no request.
import { listed } from "../../lib/address.js";
import { make, place } from "../../lib/dom.js";
import { shortened, tenth } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { plotOf } from "../../lib/plot.js";
import { Sheet } from "../../lib/sheets.js";
import { INK } from "../../lib/svg.js";
import { className, networkName, t } from "../../lib/texts.js";

/** @import { Between, BetweenCurve, Server, ZooRow } from "../../types.js" */

const KEY = "curves"; // of the address: the networks whose curves are shown

/** @param {ZooRow[]} rows @param {string[]} every @param {Server} server */
export function betweenPanel(rows, every, server) {
  const pictures = new Sheet();
  /** @type {Between} */
  let data;
  /** @type {Map<string, BetweenCurve>} the answers so far, by network */
  const curves = new Map();
  let chosen = listed(new URLSearchParams(location.search).get(KEY));
  let names = ["A", "B"];
  let way = "mixup";
  let step = 0;
  let turn = 0;
  const told = make("p", { class: "mv-told", textContent: t("compare.between_why") });
  const known = make("p", { class: "mv-small" });
  const counted = make("p", { class: "mv-told mv-counted", aria: { role: "status" } });
  const slider = make("input", {
    type: "range",
    min: 0,
    step: 1,
    id: "mv-step",
    on: { input: ({ target }) => show(Number(target.value)) },
  });
  const where = make("b");
  const ends = make("div", { class: "mv-ends" }, make("span"), make("span"));
  const tiles = ["mixup", "cutmix"].map((name) => {
    const tile = make("span", { class: "mv-tile" });
    return {
      name,
      tile,
      button: make(
        "button",
        {
          class: "mv-way",
          data: { way: name },
          on: {
            click: () => {
              way = name;
              draw();
            },
          },
        },
        tile,
        make("b", { textContent: t(`compare.way.${name}`) }),
        make("small", { textContent: t(`compare.way_why.${name}`) }),
      ),
    };
  });
  const list = make("ul", { class: "mv-chances" });
  const boxes = make("div", { class: "mv-between-networks", aria: { role: "group", label: t("look.networks") } });
  const hidden = new Set();
  const spec = {
    /** @param {number} x */
    y: { label: t("compare.probability"), low: 0, high: 100, unit: "\u00a0%", format: shortened },
    hidden,
    changed: () => plots.forEach((plot) => plot.refresh()),
    /** @param {string | null} key */
    lit: (key) => plots.forEach((plot) => plot.light(key)),
  };
  const plots = ["a", "b"].map((letter) => plotOf({ ...spec, name: `between-${letter}` }));
  const stage = make(
    "div",
    { hidden: true },
    make(
      "div",
      { class: "mv-panel" },
      known,
      make(
        "div",
        { class: "mv-between" },
        make("div", { class: "mv-ways" }, ...tiles.map(({ button }) => button)),
        make("div", {}, make("label", { htmlFor: "mv-step" }, `${t("lam")}: `, where), slider, ends, counted),
      ),
      boxes,
      list,
    ),
    make("div", { class: "mv-plots" }, ...plots.map(({ node }) => node)),
  );
  const waiting = make("p", { class: "mv-small", aria: { role: "status" }, textContent: t("compare.steps") });
  // The classes to follow: as in the view of heat maps, a class by name, or the class of a picture.
  const fields = [0, 1].map((slot) => {
    const input = make("input", {
      type: "search",
      autocomplete: "off",
      id: `mv-between-class-${slot}`,
      on: { change: () => follow(slot) },
    });
    input.setAttribute("list", "mv-between-classes");
    const label = make("label", { htmlFor: input.id, textContent: t("look.class", { letter: "AB"[slot] }) });
    return { input, node: make("div", { class: "mv-field" }, label, input) };
  });
  const choices = make(
    "datalist",
    { id: "mv-between-classes" },
    ...every.map((name) => make("option", { value: className(name) })),
  );
  const node = make(
    "section",
    { data: { part: "between" }, aria: { label: t("compare.between") } },
    told,
    make("div", { class: "mv-fields" }, ...fields.map((field) => field.node), choices),
    stage,
    waiting,
  );
  /** @param {number} slot */
  function follow(slot) {
    const typed = fields[slot].input.value.trim();
    const classes = [...mixviz.state.classes];
    classes[slot] =
      every.find((name) => [name, className(name)].some((said) => said.toLowerCase() === typed.toLowerCase())) ?? typed;
    mixviz.set({ classes });
  }
  function drawFields() {
    fields.forEach(({ input }, slot) => (input.value = className(data.classes[slot])));
  }

  /** A network's place among the rows, which gives its colour; those that were not measured come after them. */
  const index = (/** @type {string} */ network) => {
    const at = rows.findIndex((row) => row.networks.includes(network));
    return at < 0 ? rows.length + data.networks.findIndex(({ name }) => name === network) : at;
  };
  /** @param {string} network */
  const titleOf = (network) => networkName(network, data.networks.find(({ name }) => name === network)?.title ?? "");
  /** @param {number} share @param {string} letter */
  const label = (share, letter) => 100 * (letter === "a" ? share : 1 - share);
  const classes = () => data.classes.map(className);
  /** The networks in sight, as far as they know both classes; without any of those chosen, one family’s. */
  function shown() {
    const all = data.networks.map(({ name }) => name);
    const found = all.filter((name) => chosen.includes(name));
    return found.length ? found : data.begin;
  }
  const answered = () => shown().flatMap((name) => curves.get(name) ?? []);

  function drawPlots() {
    plots.forEach((plot, i) => {
      const letter = /** @type {const} */ (["a", "b"])[i];
      const name = classes()[i];
      plot.update({
        title: t("compare.chance_of", { name, letter: "AB"[i] }),
        at: data.lams[step],
        x: { label: t("compare.lam_axis", { a: names[0], b: names[1] }), low: 0, high: 1 },
        series: [
          ...answered().map((curve) => ({
            key: rows[index(curve.name)]?.title ?? curve.name,
            title: titleOf(curve.name),
            index: index(curve.name),
            marks: false,
            points: data.lams.map((x, at) => ({ x, y: curve.ways[way][letter][at] })),
          })),
          {
            key: "label",
            title: t("compare.label_line"),
            colour: INK,
            dash: "6 4",
            marks: false,
            points: data.lams.map((x, at) => ({ x, y: +label(data.share[way][at], letter).toFixed(2) })),
          },
        ],
        note: t(`compare.between_note.${way}`),
      });
    });
  }

  /** @param {BetweenCurve} curve */
  function chance(curve) {
    const answers = curve.ways[way];
    const shares = [answers.a[step], answers.b[step]];
    const top = answers.top[step];
    const parts = ["mv-a", "mv-b"].map((kind, i) => make("span", { class: kind, style: `width: ${shares[i]}%` }));
    return {
      shares,
      node: make(
        "li",
        { data: { network: curve.name } },
        make("span", { class: "mv-who", textContent: titleOf(curve.name) }),
        make("span", {
          class: "mv-says",
          textContent: [
            `A ${tenth(shares[0])}\u00a0%`,
            `B ${tenth(shares[1])}\u00a0%`,
            `${data.classes.includes(top) ? "" : t("compare.else")}${className(top)}`,
          ].join(" · "),
        }),
        make("span", { class: "mv-split", aria: { hidden: "true" } }, ...parts),
      ),
    };
  }

  /**
   * Updates only the pictures, the marker and the list for the slider's position.
   *
   * @param {number} at
   */
  function show(at) {
    step = at;
    const lam = data.lams[at];
    const n = data.lams.length;
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `λ ${lam.toFixed(2)}`);
    where.textContent = lam.toFixed(2);
    tiles.forEach(({ name, tile, button }, row) => {
      place(tile, pictures.url, row * n + at, n, 2);
      button.setAttribute("aria-pressed", String(name === way));
    });
    plots.forEach((plot) => plot.mark(lam));
    const tops = answered().map((curve) => curve.ways[way].top[at]);
    const [as, bs] = data.classes.map((one) => tops.filter((top) => top === one).length);
    const others = tops.filter((top) => !data.classes.includes(top)).length;
    const [first, second] = classes();
    counted.hidden = !tops.length;
    counted.textContent = t("compare.counted", {
      n: tops.length,
      as,
      bs,
      others,
      a: first,
      b: second,
      share: tenth(label(data.share[way][at], "a")),
    });
    const found = answered().map(chance).sort((x, y) => y.shares[0] - x.shares[0]);
    list.replaceChildren(...found.map((entry) => entry.node));
  }
  function draw() {
    drawPlots();
    show(step);
  }

  function drawBoxes() {
    const ticked = shown();
    boxes.replaceChildren(
      ...data.networks.map(({ name }) =>
        make(
          "label",
          { class: "mv-check" },
          make("input", {
            type: "checkbox",
            name,
            checked: ticked.includes(name),
            on: { change: ({ target }) => tick(name, target.checked) },
          }),
          titleOf(name),
        ),
      ),
    );
  }
  /** @param {string} name @param {boolean} on */
  function tick(name, on) {
    const all = data.networks.map((one) => one.name);
    const ticked = shown();
    chosen = all.filter((one) => (one === name ? on : ticked.includes(one)));
    mixviz.note(KEY, chosen.join(","));
    if (!chosen.length) drawBoxes(); // none is as good as those of the beginning
    draw();
    answer();
  }

  let asking = false;
  let ready = 0; // the turn whose steps are here
  /** Asks the networks in sight that have not answered, one after the other. */
  async function answer() {
    if (asking) return;
    asking = true;
    const failed = new Map();
    while (ready === turn) {
      const mine = turn;
      const left = shown().filter((name) => !curves.has(name) && !failed.has(name));
      if (!left.length) break;
      waiting.hidden = false;
      waiting.textContent = t("compare.working", { network: titleOf(left[0]), count: left.length });
      const found = await mixviz.question("curve", { ...mixviz.state, only: left.slice(0, 1) }, server);
      if (mine !== turn) failed.clear();
      else if (found.ways) curves.set(found.name, found);
      else failed.set(left[0], found.message);
      if (mine === turn) draw();
    }
    asking = false;
    if (ready !== turn) return; // the next steps are on their way
    waiting.textContent = data.networks.length ? [...new Set(failed.values())].join(" ") : t("compare.nobody");
    waiting.hidden = !waiting.textContent;
    node.dataset.answered = String(turn);
  }

  /** @param {string} key @param {string[]} labels */
  async function ask(key, labels) {
    const mine = ++turn;
    waiting.hidden = false;
    waiting.textContent = t("compare.steps");
    const found = await mixviz.question("between", mixviz.state, server);
    const url = found.sheet && (await pictures.open(found.sheet));
    if (mine !== turn) return url && URL.revokeObjectURL(url);
    if (!url) return (waiting.textContent = found.message);
    step = data ? step : Math.floor(found.lams.length / 2);
    [data, names, ready] = [found, labels, mine];
    curves.clear();
    pictures.take(url);
    slider.max = String(data.lams.length - 1);
    ends.children[0].textContent = t("compare.end", { lam: 0, letter: "B", name: names[1] });
    ends.children[1].textContent = t("compare.end", { lam: 1, letter: "A", name: names[0] });
    const said = ["A", "B"].map((letter, i) =>
      t(`compare.class_${data.how[i]}`, {
        letter,
        name: names[i],
        class: classes()[i],
        network: titleOf(data.by[i]),
      }),
    );
    known.textContent = [
      t("compare.knows", { n: data.networks.length, count: data.count, side: data.side }),
      ...said,
    ].join(" ");
    drawFields();
    drawBoxes();
    stage.hidden = false;
    draw();
    node.dataset.pair = key;
    answer();
  }
  let asked = "";
  return {
    node,
    /** @param {string[]} labels */
    update: (labels) => {
      const key = [mixviz.state.a, mixviz.state.b, ...mixviz.state.classes, ...labels].join("|");
      if (key !== asked) ask((asked = key), labels);
    },
  };
}
