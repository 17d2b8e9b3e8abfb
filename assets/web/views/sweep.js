// View of filmstrips over λ, α or the seed: the page's method, and others to compare it with.
import { childrenOf, labelBar, make, partOf, place, press } from "../lib/dom.js";
import { offerMethods } from "../lib/controls.js";
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
  const compared = make("div", { class: "mv-chips", aria: { role: "group", label: t("sweep.with") } });
  const add = make(
    "select",
    {
      aria: { label: t("sweep.add") },
      on: {
        change: () => {
          compare([...chosen(), add.value]);
          add.value = "";
        },
      },
    },
    make("option", { value: "", textContent: t("sweep.add") }),
  );
  offerMethods(add);
  const strips = make("div");
  const note = make("p", { class: "mv-small" });
  root().append(
    make(
      "div",
      { class: "mv-head" },
      make("span", { textContent: t("over") }),
      over,
      make("span", { textContent: t("sweep.with") }),
      compared,
      add,
    ),
    strips,
    note,
  );

  const chosen = () => childrenOf(strips).map((film) => film.dataset.film ?? "");
  /** @param {string[]} methods the page's own is the first */
  const compare = (methods) => mixviz.set({ methods });

  /** @param {Sweep["rows"][number]} row */
  function chip({ name, title }) {
    const remove = () => {
      compare(chosen().filter((one) => one !== name));
      add.focus(); // this button is about to go
    };
    return make(
      "button",
      { class: "mv-chip", aria: { label: t("sweep.remove", { title }) }, on: { click: remove } },
      title,
      make("span", { textContent: " ×", aria: { hidden: true } }),
    );
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
          `A ${percent(cell.share[0])}`,
          ...(points ? [make("br"), t("gap_points", { points })] : []),
        ),
      );
    });
    return make(
      "section",
      { class: "mv-film", tabIndex: 0, data: { film: row.name }, aria: { label: row.title } },
      make("h2", { textContent: row.title }),
      make("div", { class: "mv-frames" }, ...frames),
    );
  }

  mixviz.views(
    "sweep",
    /** @param {Sweep} value */ async (value) => {
      const mine = ++turn;
      const url = await sheet.open(value.sheet);
      if (mine !== turn) return URL.revokeObjectURL(url);
      press(over, "over", value.over);
      const before = sheet.url;
      sheet.url = url;
      strips.replaceChildren(...value.rows.map((row, r) => strip(value, row, r)));
      compared.replaceChildren(...value.rows.slice(1).map(chip));
      add.disabled = value.rows.length >= value.most;
      for (const option of add.options) option.disabled = value.rows.some(({ name }) => name === option.value);
      note.textContent = t(`judge.${value.judge}`);
      if (before) URL.revokeObjectURL(before);
      root().dataset.shown = String(mine);
    },
  );
}
