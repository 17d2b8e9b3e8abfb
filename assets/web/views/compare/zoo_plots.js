import { axisChoice } from "../../lib/axes.js";
import { make, press, within } from "../../lib/dom.js";
import { shortened, tenth } from "../../lib/numbers.js";
import { plotOf } from "../../lib/plot.js";
import { INK } from "../../lib/svg.js";
import { t } from "../../lib/texts.js";
import { barsNote, columnName, rowName } from "./zoo_table.js";

/** @import { Axis, Curve, OpenCard, Plot, PlotSpec, Point, Series, Zoo, ZooRow } from "../../types.js" */

const HIDING = ["hole", "border_hole", "boundary"];

/**
 * The cards as plots: each has a switch for its contents, and all share the hidden and highlighted networks.
 *
 * @param {Zoo} value
 * @param {OpenCard<ZooRow>} open
 */
export function zooPlots(value, open) {
  /** @type {Set<string>} */
  const hidden = new Set();
  /** @type {Plot[]} */
  const plots = [];
  const shared = {
    hidden,
    changed: () => plots.forEach((plot) => plot.refresh()),
    /** @param {string | null} key */
    lit: (key) => plots.forEach((plot) => plot.light(key)),
  };
  /** @param {string | undefined} key */
  const rowOf = (key) => value.rows.find((row) => row.title === key);
  /**
   * Returns the keyboard focus to the plot when a card closes.
   *
   * @param {Partial<PlotSpec>} spec
   */
  const add = (spec) => {
    const plot = plotOf({
      ...shared,
      /** @param {Series} series */
      pick: (series) => open(rowOf(series.key), plot.node, () => plot.node.querySelector("svg")),
      ...spec,
    });
    plots.push(plot);
    return plot;
  };
  /** @param {ZooRow} row @param {number} index @param {Partial<Series>} more */
  const seriesOf = (row, index, more) => ({ key: row.title, title: rowName(row), index, points: [], ...more });
  /** @param {string} label @param {Partial<Axis>} [more] */
  const percentAxis = (label, more) => ({ label, unit: "\u00a0%", format: shortened, ...more });
  /** @param {Plot} plot @param {...Node} nodes */
  const put = (plot, ...nodes) => within(plot.node, ".mv-plot-area").before(...nodes);
  /** @param {string} label @param {string[][]} choices @param {(key: string) => void} show */
  function switchOf(label, choices, show) {
    const chips = make(
      "div",
      { class: "mv-chips mv-switch", aria: { role: "group", label } },
      ...choices.map(([key, text]) =>
        make("button", { class: "mv-chip", data: { show: key }, textContent: text, on: { click: () => choose(key) } }),
      ),
    );
    /** @param {string} key */
    const choose = (key) => {
      press(chips, "show", key);
      show(key);
    };
    return { chips, choose };
  }
  const baseline = value.rows.find(({ method }) => method === "baseline");
  /** @param {string} name */
  const scaleOf = (name) => (HIDING.includes(name) ? 100 : 1); // fractions to percent
  /** @param {string} name @param {Curve} [base] whose values are subtracted */
  const curvesOf = (name, base) =>
    value.rows.flatMap((row, index) => {
      const curve = row.curves[name];
      /** @param {number} i */
      const error = (i) => curve.error && (base?.error ? Math.hypot(curve.error[i], base.error[i]) : curve.error[i]);
      return curve
        ? [
            seriesOf(row, index, {
              points: curve.x.map((x, i) => ({
                x: scaleOf(name) * x,
                y: curve.y[i] - (base?.y[i] ?? 0),
                error: row === baseline ? null : error(i),
              })),
            }),
          ]
        : [];
    });
  /** @param {string} name @param {Curve} base */
  const bandOf = (name, base) => {
    const errors = base.error ?? value.bands[name];
    return (
      errors && {
        title: t("compare.band"),
        points: base.x.map((x, i) => ({ x: scaleOf(name) * x, low: -errors[i], high: errors[i] })),
      }
    );
  };
  /** @param {string} name */
  const seedsNote = (name) => {
    const several = value.rows.find((row) => row.curves[name]?.error);
    return several ? t("compare.bars_seeds", { count: several.seeds.length }) : "";
  };

  function scatter() {
    const keys = value.columns.map(({ key }) => key);
    const chosen = {
      x: keys[0],
      y: value.columns.find(({ key, short }) => short && key in value.centre)?.key ?? keys[1],
    };
    const plot = add({ name: "scatter" });
    put(
      plot,
      axisChoice(
        keys.map((key) => ({ key, title: columnName(key) })),
        chosen,
        draw,
      ),
    );
    function draw() {
      const cells = value.rows.flatMap((row) => [row.values[chosen.x], row.values[chosen.y]]);
      plot.update({
        height: 320,
        title: t("compare.scatter", { x: columnName(chosen.x), y: columnName(chosen.y) }),
        x: percentAxis(columnName(chosen.x)),
        y: percentAxis(columnName(chosen.y)),
        rules: chosen.y in value.centre ? [{ y: value.centre[chosen.y], title: t("compare.centre") }] : [],
        series: value.rows.map((row, index) => {
          const [x, y] = [row.values[chosen.x], row.values[chosen.y]];
          return seriesOf(row, index, {
            line: false,
            points: x && y ? [{ x: x.mean, y: y.mean, xerror: x.error, error: y.error }] : [],
          });
        }),
        note: `${barsNote(cells)} ${t("compare.scatter_note")}`,
      });
    }
    draw();
    plot.node.classList.add("mv-across");
  }

  // A setting's numbers hold only for its own data, network and length: compare changes from its own baseline.
  function published() {
    const plot = add({ name: "published", hidden: new Set(), changed: undefined, lit: undefined });
    /** @param {string} method */
    const title = (method) => value.titles[method] ?? method;
    const ours = value.rows.filter((row) => row.values.top1_error);
    const base = ours.find((row) => row.method === "baseline")?.values.top1_error;
    const { chips, choose } = switchOf(
      t("compare.published_which"),
      [
        ["ours", t("compare.published_ours")],
        ["all", t("compare.published_all")],
      ],
      (which) => {
        const mine = new Set(ours.filter((row) => row.method !== "baseline").map((row) => row.method));
        const methods = [
          ...new Set([...mine, ...value.published.flatMap((setting) => setting.methods.map((one) => one.method))]),
        ].filter((method) => which === "all" || mine.has(method));
        const settings = value.published
          .map((setting) => ({ ...setting, methods: setting.methods.filter(({ method }) => methods.includes(method)) }))
          .filter((setting) => setting.methods.length);
        /**
         * Places the settings' points first and then the networks' beside a method's name, each at its own offset.
         *
         * @param {string} method
         */
        const here = (method) => ours.filter((row) => row.method === method);
        const most = Math.max(1, ...methods.map((method) => here(method).length));
        const n = settings.length + most;
        /** @param {string} method @param {number} i */
        const beside = (method, i) => methods.indexOf(method) + ((i + 0.5) / n - 0.5) * 0.8;
        /** @type {Series[]} */
        const series = settings.map((setting, i) => ({
          key: `${setting.dataset} ${setting.network} ${setting.epochs}`,
          title: t("compare.setting", setting),
          index: i + 1,
          line: false,
          size: 5,
          pick: false,
          points: setting.methods.map((one) => ({
            x: beside(one.method, i),
            y: one.change,
            hollow: !one.same,
            title: t(one.same ? "compare.published_tip" : "compare.published_other", {
              ...setting,
              ...one,
              base: setting.source,
              title: title(one.method),
              error: one.error.toFixed(2),
              baseline: setting.baseline.toFixed(2),
            }),
          })),
        }));
        /** @type {Point[]} */
        const changes = base
          ? ours
              .filter((row) => row.method !== "baseline")
              .map((row) => {
                const found = row.values.top1_error;
                return {
                  key: row.title,
                  x: beside(row.method, settings.length + here(row.method).indexOf(row)),
                  y: found.mean - base.mean,
                  error: found.error && base.error && Math.hypot(found.error, base.error),
                  title: `${t("compare.this_page")}, ${rowName(row)}`,
                };
              })
          : [];
        if (changes.length)
          series.push({
            key: "here",
            title: t("compare.this_page"),
            index: 0,
            line: false,
            size: 6,
            mark: "circle",
            points: changes,
          });
        plot.update({
          title: t("compare.published"),
          x: { label: t("compare.method"), names: methods.map(title) },
          /** @param {number} x */
          y: { label: t("compare.change"), format: (x) => String(+x.toFixed(2)).replace("-", "−") },
          rules: [{ y: 0, title: t("compare.own_baseline") }],
          series,
          height: 300,
          note: t("compare.published_note", { bars: barsNote(ours.map((row) => row.values.top1_error)) }),
          /** @param {Series} series @param {Point} point */
          pick: (series, point) => open(rowOf(point.key), plot.node, () => plot.node.querySelector("svg")),
        });
      },
    );
    put(plot, chips);
    choose("ours");
    plot.node.classList.add("mv-across");
  }

  function reliability() {
    const span = { low: 0, high: 100 };
    add({
      name: "reliability",
      title: t("compare.reliability"),
      diagonal: true,
      x: percentAxis(t("compare.confidence"), span),
      y: percentAxis(t("compare.accuracy"), span),
      series: value.rows.map((row, index) => {
        const { confidence, accuracy, count } = row.reliability;
        const ece = row.values.ece;
        const name = rowName(row);
        return seriesOf(row, index, {
          legend: ece ? `${name}: ECE ${tenth(ece.mean)}\u00a0%` : name,
          points: confidence.map((x, i) => ({ x, y: accuracy[i], title: t("compare.bin", { name, count: count[i] }) })),
        });
      }),
      note: t("compare.reliability_note"),
    });
  }

  /**
   * @param {string} name
   * @param {string} title
   * @param {string[][]} choices
   * @param {(key: string) => { x: Axis, y: Axis }} axes
   * @param {(key: string) => string} note
   * @param {{ extra?: Series, minus?: boolean }} [more] a further curve; whether the baseline's can be subtracted
   */
  function curves(name, title, choices, axes, note, more = {}) {
    const known = choices.filter(([key]) => value.rows.some((row) => row.curves[key]));
    if (!known.length) return;
    const plot = add({ name, title });
    let shown = known[0][0];
    let minus = !!more.minus;
    function draw() {
      const base = minus ? baseline?.curves[shown] : undefined;
      const { x, y } = axes(shown);
      const extra = more.extra && {
        ...more.extra,
        points: more.extra.points.map((p, i) => ({ ...p, y: p.y - (base?.y[i] ?? 0) })),
      };
      plot.update({
        name: `${name}-${shown}`,
        x,
        y: base ? { label: t("compare.minus", y), format: shortened } : y,
        band: base && bandOf(shown, base),
        series: [...curvesOf(shown, base), ...(extra ? [extra] : [])],
        note: `${note(shown)} ${seedsNote(shown)}`,
      });
    }
    const what = switchOf(title, known, (key) => {
      shown = key;
      draw();
    });
    const how = switchOf(
      t("compare.values"),
      ["minus", "plain"].map((key) => [key, t(`compare.values_${key}`)]),
      (key) => {
        minus = key === "minus";
        draw();
      },
    );
    put(plot, ...(known.length > 1 ? [what.chips] : []), ...(minus && baseline ? [how.chips] : []));
    press(how.chips, "show", "minus");
    what.choose(shown);
  }

  const accuracy = percentAxis(t("compare.top1"), { low: 0 });
  scatter();
  reliability();
  curves(
    "robustness",
    t("compare.robustness"),
    ["fgsm", ...HIDING].map((key) => [key, t(`compare.curve.${key}`)]),
    (key) => ({
      x:
        key === "fgsm"
          ? { label: t("compare.eps"), low: 0, ticks: value.rows.find((row) => row.curves.fgsm)?.curves.fgsm.x }
          : percentAxis(t("compare.occluded"), { low: 0, high: 100 }),
      y: accuracy,
    }),
    (key) => t(`compare.curve_note.${key}`),
    { minus: true },
  );
  curves(
    "localisation",
    t("compare.tau"),
    [
      ["box_acc", t("compare.curve.box_acc")],
      ["box_acc_last", t("compare.curve.box_acc_last")],
    ],
    () => ({ x: { label: t("compare.tau_axis"), low: 0, high: 1 }, y: percentAxis(t("compare.box_acc"), { low: 0 }) }),
    () => t("compare.tau_note"),
    {
      minus: true,
      extra: value.centre_curve
        ? {
            key: "centre",
            title: t("compare.centre"),
            colour: INK,
            dash: "6 4",
            marks: false,
            pick: false,
            points: value.centre_curve.x.map((x, i) => ({ x, y: value.centre_curve?.y[i] ?? NaN })),
          }
        : undefined,
    },
  );
  curves(
    "training",
    t("compare.training"),
    ["top1", "val_loss", "train_loss"].map((key) => [key, t(`compare.curve.${key}`)]),
    (key) => ({
      x: { label: t("compare.epoch") },
      y: key === "top1" ? accuracy : { label: t(`compare.curve.${key}`) },
    }),
    (key) => t(`compare.curve_note.${key}`),
  );
  published();
  return plots.map((plot) => plot.node);
}
