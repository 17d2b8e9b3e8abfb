// View of filmstrips: one or several methods over λ, α or the seed.
import { labelBar, make, partOf, place, press } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";

/** @import { Context, Sweep } from "../types.js" */

/** @param {Context} context */
export default function sweepView({ element }) {
  const root = () => partOf(element);
  const sheet = new Sheet();
  let turn = 0;
  const over = make("div", { class: "mv-chips", aria: { role: "group", label: t("over") } });
  for (const name of ["lam", "alpha", "seed"])
    over.append(
      make("button", {
        class: "mv-chip",
        data: { over: name },
        textContent: t(`over.${name}`),
        on: { click: () => mixviz.set({ over: name }) },
      }),
    );
  const rows = make("fieldset", { class: "mv-rows" });
  const strips = make("div");
  const note = make("p", { class: "mv-small" });
  root().append(make("div", { class: "mv-head" }, make("span", { textContent: t("over") }), over), rows, strips, note);

  const choices = () => [...rows.querySelectorAll("input")];

  /** @param {string} name @param {string} title */
  function choice(name, title) {
    const box = make("input", {
      type: "checkbox",
      value: name,
      on: {
        change: () => {
          const chosen = choices().flatMap((input) => (input.checked ? [input.value] : []));
          if (chosen.length) mixviz.set({ methods: chosen });
          else box.checked = true;
        },
      },
    });
    return make("label", { class: "mv-check" }, box, title);
  }

  /** @param {Sweep} value @param {Sweep["rows"][number]} row @param {number} r */
  function strip(value, row, r) {
    const frames = row.cells.map((cell, i) => {
      const shown = value.over === "seed" ? String(value.values[i]) : String(+value.values[i].toFixed(3));
      const symbol = { lam: "λ", alpha: "α", seed: t("over.seed") }[value.over];
      const label = t("strip_alt", {
        title: row.title,
        over: symbol,
        value: shown,
        share: percent(cell.share[0]),
        name: value.names[0],
      });
      const tile = make("div", { class: "mv-tile", aria: { role: "img", label } });
      const bar = labelBar(0);
      place(tile, sheet.url, r * value.values.length + i, value.values.length, value.rows.length);
      bar.update(value.names, cell.share);
      const points = Math.round(100 * cell.gap);
      return make(
        "figure",
        {},
        tile,
        bar.node,
        make(
          "figcaption",
          {},
          make("b", { textContent: `${symbol} ${shown}` }),
          make("br"),
          `${percent(cell.share[0])} A`,
          make("br"),
          t("gap_points", { points }),
        ),
      );
    });
    return make(
      "section",
      { class: "mv-film", tabIndex: 0, data: { film: row.name }, aria: { label: row.title } },
      make("h3", { textContent: row.title }),
      make("div", { class: "mv-frames" }, ...frames),
    );
  }

  mixviz.views(
    "sweep",
    /** @param {Sweep} value */ async (value) => {
      const mine = ++turn;
      const url = await sheet.open(value.sheet);
      if (mine !== turn) return URL.revokeObjectURL(url);
      if (!rows.children.length)
        rows.append(
          make("legend", { class: "mv-small", textContent: t("rows") }),
          ...Object.entries(mixviz.methods).map(([name, [title]]) => choice(name, title)),
        );
      const chosen = value.rows.map((row) => row.name);
      for (const input of rows.querySelectorAll("input")) {
        input.checked = chosen.includes(input.value);
        input.disabled = !input.checked && chosen.length >= 6;
      }
      press(over, "over", value.over);
      const before = sheet.url;
      sheet.url = url;
      strips.replaceChildren(...value.rows.map((row, r) => strip(value, row, r)));
      note.textContent = t(`judge.${value.judge}`);
      if (before) URL.revokeObjectURL(before);
      root().dataset.shown = String(mine);
    },
  );
}
