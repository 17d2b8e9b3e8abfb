// View of a thousand draws: the distributions of λ, area and label, and where patches come from and land.
import { make, partOf } from "../lib/dom.js";
import { percent } from "../lib/numbers.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Context, Draws, Histogram } from "../types.js" */

const TICKS = [0, 0.5, 1];

/** @param {Context} context */
export default function drawsView({ element }) {
  const root = partOf(element);
  let turn = 0;
  const title = make("h2");
  const told = make("p", { class: "mv-told" });
  const wrong = make("p", { class: "mv-told" });
  const panels = make("div", { class: "mv-histograms" });
  const maps = /** @type {const} */ (["cut", "covered"]).map((name) => {
    const heat = make("div", { class: "mv-heat" });
    const picture = make("span", { class: "mv-thumb", aria: { hidden: true } });
    const highest = make("span");
    const node = make(
      "figure",
      { data: { map: name } },
      make("figcaption", {}, picture, make("b", { textContent: t(`heat.${name}`) })),
      make("div", { class: "mv-heat-ground", aria: { role: "img", label: t(`heat.${name}`) } }, heat),
      make("div", { class: "mv-heat-scale" }, percent(0), make("i"), highest),
    );
    return { name, heat, picture, highest, node };
  });
  root.append(
    make("div", { class: "mv-about" }, title, told),
    panels,
    wrong,
    make("div", { class: "mv-maps" }, ...maps.map(({ node }) => node)),
  );

  /** @param {string[]} names of quantities that are the same in every draw @param {Histogram} values */
  function histogram(names, { counts, mean, low, high }) {
    const most = Math.max(...counts);
    const [m, l, h] = [mean, low, high].map((x) => x.toFixed(2));
    const label = names.map((name) => t(`hist.${name}`)).join(" = ");
    const columns = counts.map((count, i) =>
      make("i", {
        style: `height: ${(100 * count) / most}%`,
        title: `${(i / counts.length).toFixed(2)}–${((i + 1) / counts.length).toFixed(2)}: ${count}`,
      }),
    );
    const range = make("span", { class: "mv-range", style: `left: ${100 * low}%; width: ${100 * (high - low)}%` });
    const line = make("span", { class: "mv-mean", style: `left: ${100 * mean}%` });
    const text = make("b", { style: `left: ${100 * mean}%; transform: translateX(-${100 * mean}%)` });
    text.textContent = t("mean", { value: m });
    return make(
      "section",
      { class: "mv-panel", data: { histogram: names[0] } },
      make("h3", { textContent: label }),
      make(
        "div",
        { class: "mv-columns", aria: { role: "img", label: t("hist_alt", { name: label, mean: m, low: l, high: h }) } },
        range,
        ...columns,
        line,
        text,
      ),
      make("div", { class: "mv-ticks" }, ...TICKS.map((x) => make("span", { textContent: String(x) }))),
      make("p", { class: "mv-small mv-range-key", textContent: t("range", { low: l, high: h }) }),
    );
  }

  /** Quantities with one distribution share a histogram. @param {Record<string, Histogram>} histograms */
  function grouped(histograms) {
    /** @type {Map<string, { names: string[], values: Histogram }>} */
    const groups = new Map();
    for (const [name, values] of Object.entries(histograms)) {
      const key = values.counts.join();
      groups.has(key) ? groups.get(key)?.names.push(name) : groups.set(key, { names: [name], values });
    }
    return [...groups.values()];
  }

  mixviz.views(
    "draws",
    /** @param {Draws} value */ (value) => {
      const { drawn, area, gap } = value.histograms;
      title.textContent = t("draws_title", { count: value.count.toLocaleString("en"), title: value.card.title });
      const differs = drawn && value.alpha !== null && Math.abs(drawn.mean - area.mean) > 0.02;
      const numbers = { alpha: value.alpha, drawn: drawn?.mean.toFixed(2), area: area.mean.toFixed(2) };
      const off = gap.high < 0.005 ? "draws_fair" : gap.high - gap.mean < 0.005 ? "draws_always" : "draws_gap";
      const average = t(value.inside ? "draws_inside" : differs ? "draws_area" : "draws_same", numbers);
      told.textContent = `${t("draws_how")} ${average}`;
      wrong.textContent = [
        t(off, { gap: percent(gap.mean), high: percent(gap.high) }),
        t(`judge.${value.judge}`),
        ...(value.maps.covered.even && value.maps.covered.peak ? [t("draws_even")] : []),
      ].join(" ");
      panels.replaceChildren(...grouped(value.histograms).map(({ names, values }) => histogram(names, values)));
      for (const { name, node, heat, picture, highest } of maps) {
        const { peak, even, mask } = value.maps[name];
        node.hidden = even;
        heat.style.maskImage = `url(${mask})`;
        highest.textContent = percent(peak);
        mixviz.thumbnail(picture, mixviz.state[name === "cut" ? "b" : "a"]);
      }
      root.dataset.shown = String(++turn);
    },
  );
}
