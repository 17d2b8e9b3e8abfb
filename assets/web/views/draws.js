// View of a thousand draws: the distributions of λ, area and label, and where patches come from and land.
import { make, partOf, place, within } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { Sheet } from "../lib/sheets.js";
import { t } from "../lib/texts.js";

/** @import { Context } from "../types.js" */

/** @param {Context} context */
export default function drawsView({ element }) {
  const root = () => partOf(element);
  const sheet = new Sheet();
  let turn = 0;
  const choose = make("select", {
    id: "mv-draws-method",
    on: { change: ({ target }) => mixviz.open("draws", { method: target.value }) },
  });
  const title = make("h2");
  const told = make("p", { class: "mv-told" });
  const panels = make("div", { class: "mv-histograms" });
  const tiles = ["cut", "covered"].map((name) => {
    const tile = make("div", { class: "mv-tile", aria: { role: "img", label: t(`heat.${name}`) } });
    const scale = make("span");
    return {
      tile,
      scale,
      node: make("figure", {}, tile, make("figcaption", {}, t(`heat.${name}`), make("br"), scale)),
    };
  });
  root().append(
    make("div", { class: "mv-head" }, make("label", { htmlFor: "mv-draws-method", textContent: t("method") }), choose),
    make("div", { class: "mv-about" }, title, told),
    panels,
    make("div", { class: "mv-panel" }, make("div", { class: "mv-maps" }, ...tiles.map(({ node }) => node))),
    make("p", { class: "mv-small" }),
  );

  /** @param {string} name @param {{ counts: number[], mean: number, low: number, high: number }} place */
  function histogram(name, { counts, mean, low, high }) {
    const most = Math.max(...counts);
    const [m, l, h] = [mean, low, high].map((x) => x.toFixed(2));
    const columns = counts.map((count, i) =>
      make("i", {
        style: `height: ${(100 * count) / most}%`,
        title: `${(i / counts.length).toFixed(2)}–${((i + 1) / counts.length).toFixed(2)}: ${count}`,
      }),
    );
    const label = t(`hist.${name}`);
    return make(
      "section",
      { class: "mv-panel", data: { histogram: name } },
      make("h3", { textContent: label }),
      make(
        "div",
        { class: "mv-columns", aria: { role: "img", label: t("hist_alt", { name: label, mean: m, low: l, high: h }) } },
        ...columns,
      ),
      make("div", { class: "mv-ends" }, make("span", { textContent: "0" }), make("span", { textContent: "1" })),
      make("p", { class: "mv-small", textContent: `${t("mean", { value: m })} · ${t("range", { low: l, high: h })}` }),
    );
  }

  mixviz.views("draws", async (value) => {
    const mine = ++turn;
    const url = await sheet.open(value.heat);
    const { drawn, area, gap } = value.histograms;
    if (mine !== turn) return URL.revokeObjectURL(url);
    if (!choose.options.length)
      choose.append(
        ...Object.entries(mixviz.methods).map(([name, [text]]) => make("option", { value: name, textContent: text })),
      );
    choose.value = value.card.name;
    title.textContent = t("draws_title", { count: value.count.toLocaleString("en"), title: value.card.title });
    const differs = drawn && value.alpha !== null && Math.abs(drawn.mean - area.mean) > 0.02;
    const numbers = {
      alpha: value.alpha,
      drawn: drawn?.mean.toFixed(2),
      area: area.mean.toFixed(2),
      title: value.card.title,
    };
    const off = gap.high < 0.005 ? "draws_fair" : gap.high - gap.mean < 0.005 ? "draws_always" : "draws_gap";
    told.textContent = [
      t(value.inside ? "draws_inside" : differs ? "draws_area" : "draws_same", numbers),
      t(off, { gap: percent(gap.mean), high: percent(gap.high) }),
      t(`judge.${value.judge}`),
    ].join(" ");
    panels.replaceChildren(...Object.entries(value.histograms).map(([name, found]) => histogram(name, found)));
    tiles.forEach(({ node, tile, scale }, i) => {
      node.hidden = value.peak[i] === 0;
      place(tile, url, i, 2);
      scale.textContent = t("heat_scale", { value: percent(value.peak[i]) });
    });
    within(root(), ":scope > :last-child").textContent = t("draws_side", { side: value.side });
    sheet.take(url);
    root().dataset.shown = String(mine);
  });
}
