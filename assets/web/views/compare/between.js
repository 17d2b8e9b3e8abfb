// Interpolation from B to A in two ways. All steps and answers are loaded, so that the slider needs no request.
import { make, place } from "../../lib/dom.js";
import { shortened, tenth } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { plotOf } from "../../lib/plot.js";
import { Sheet } from "../../lib/sheets.js";
import { INK } from "../../lib/svg.js";
import { className, t } from "../../lib/texts.js";
import { rowName } from "./zoo_table.js";

/** @import { Between, Server, ZooRow } from "../../types.js" */

/** @param {ZooRow[]} rows @param {string[]} every @param {Server} server */
export function betweenPanel(rows, every, server) {
  const pictures = new Sheet();
  /** @type {Between} */
  let data;
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
      list,
    ),
    make("div", { class: "mv-plots" }, ...plots.map(({ node }) => node)),
  );
  const waiting = make("p", { class: "mv-small", aria: { role: "status" }, textContent: t("compare.working") });
  // The classes to follow: as in the view of heat maps, a class by name, or the class of a picture.
  const fields = [0, 1].map((slot) => {
    const input = make("input", {
      type: "search",
      autocomplete: "off",
      id: `mv-between-class-${slot}`,
      on: { change: () => follow(slot) },
    });
    input.setAttribute("list", "mv-between-classes");
    const note = make("small");
    return {
      input,
      note,
      node: make(
        "div",
        { class: "mv-field" },
        make("label", { htmlFor: input.id, textContent: t("look.class", { slot: slot + 1 }) }),
        input,
        note,
      ),
    };
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
    waiting,
    stage,
  );
  /** @param {number} slot */
  const wanted = (slot) => mixviz.state.classes[slot];
  /** @param {number} slot */
  function follow(slot) {
    const typed = fields[slot].input.value.trim();
    const classes = [...mixviz.state.classes];
    classes[slot] =
      every.find((name) => [name, className(name)].some((said) => said.toLowerCase() === typed.toLowerCase())) ?? typed;
    mixviz.set({ classes });
  }
  function drawFields() {
    fields.forEach(({ input, note }, slot) => {
      const named = !["", "*"].includes(wanted(slot));
      input.value = className(named ? wanted(slot) : data.classes[slot]);
      note.textContent = named
        ? ""
        : t(data.how[slot] === "known" ? "look.known" : "look.guessed", { letter: "AB"[slot] });
    });
  }

  /** @param {string} network */
  const index = (network) => rows.findIndex((row) => row.networks.includes(network));
  /** @param {string} network */
  const titleOf = (network) => (index(network) < 0 ? network : rowName(rows[index(network)]));
  /** @param {number} share @param {string} letter */
  const label = (share, letter) => 100 * (letter === "a" ? share : 1 - share);
  const classes = () => data.classes.map(className);

  function drawPlots() {
    const answers = data.ways[way];
    plots.forEach((plot, i) => {
      const letter = /** @type {const} */ (["a", "b"])[i];
      const name = classes()[i];
      plot.update({
        title: t("compare.chance_of", { name, letter: "AB"[i] }),
        at: data.lams[step],
        x: { label: t("compare.lam_axis", { a: names[0], b: names[1] }), low: 0, high: 1 },
        series: [
          ...data.networks.map((network, n) => ({
            key: rows[index(network)]?.title ?? network,
            title: titleOf(network),
            index: Math.max(0, index(network)),
            marks: false,
            points: data.lams.map((x, at) => ({ x, y: answers[letter][n][at] })),
          })),
          {
            key: "label",
            title: t("compare.label_line"),
            colour: INK,
            dash: "6 4",
            marks: false,
            points: data.lams.map((x, at) => ({ x, y: +label(answers.share[at], letter).toFixed(2) })),
          },
        ],
        note: t(`compare.between_note.${way}`),
      });
    });
  }

  /** @param {string} network @param {number} n */
  function chance(network, n) {
    const answers = data.ways[way];
    const shares = [answers.a[n][step], answers.b[n][step]];
    const top = data.all[answers.top[n][step]];
    const parts = ["mv-a", "mv-b"].map((kind, i) => make("span", { class: kind, style: `width: ${shares[i]}%` }));
    return {
      shares,
      node: make(
        "li",
        { data: { network } },
        make("span", { class: "mv-who", textContent: titleOf(network) }),
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
    const answers = data.ways[way];
    const n = data.lams.length;
    const [a, b] = data.classes.map((name) => data.all.indexOf(name));
    slider.value = String(at);
    slider.setAttribute("aria-valuetext", `λ ${lam.toFixed(2)}`);
    where.textContent = lam.toFixed(2);
    tiles.forEach(({ name, tile, button }, row) => {
      place(tile, pictures.url, row * n + at, n, 2);
      button.setAttribute("aria-pressed", String(name === way));
    });
    plots.forEach((plot) => plot.mark(lam));
    const tops = answers.top.map((line) => line[at]);
    const [as, bs] = [a, b].map((one) => tops.filter((top) => top === one).length);
    const others = tops.filter((top) => ![a, b].includes(top)).length;
    const [first, second] = classes();
    counted.textContent = t("compare.counted", {
      n: tops.length,
      as,
      bs,
      others,
      a: first,
      b: second,
      share: tenth(label(answers.share[at], "a")),
    });
    const found = data.networks.map(chance).sort((x, y) => y.shares[0] - x.shares[0]);
    list.replaceChildren(...found.map((entry) => entry.node));
  }
  function draw() {
    drawPlots();
    show(step);
  }

  /** @param {string} key @param {string[]} labels */
  async function ask(key, labels) {
    const mine = ++turn;
    waiting.hidden = false;
    waiting.textContent = t("compare.working");
    const answer = await mixviz.question("between", mixviz.state, server);
    const url = answer.sheet && (await pictures.open(answer.sheet));
    if (mine !== turn) return url && URL.revokeObjectURL(url);
    if (!url) return (waiting.textContent = answer.message);
    step = data ? step : Math.floor(answer.lams.length / 2);
    [data, names] = [answer, labels];
    pictures.take(url);
    slider.max = String(data.lams.length - 1);
    ends.children[0].textContent = t("compare.end", { lam: 0, letter: "B", name: names[1] });
    ends.children[1].textContent = t("compare.end", { lam: 1, letter: "A", name: names[0] });
    const said = ["A", "B"].map((letter, i) =>
      t(`compare.class_${data.how[i]}`, { letter, name: names[i], class: classes()[i], n: data.all.length }),
    );
    known.textContent = [
      t("compare.knows", { n: data.all.length, side: data.side, classes: data.all.map(className).join(", ") }),
      ...said,
    ].join(" ");
    drawFields();
    waiting.hidden = true;
    stage.hidden = false;
    draw();
    node.dataset.pair = key;
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
