// Options of the gallery, behind one button: seed, detector, outlines of objects, the legend, every detector's maps.
import { make, place, press, ring } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Detector, Grid } from "../../types.js" */

/** @param {HTMLElement} grid whose objects' outlines are shown or not */
export function optionsPanel(grid) {
  const boxes = make("input", {
    type: "checkbox",
    on: {
      change: ({ target }) => {
        grid.parentElement?.classList.toggle("mv-show-objects", target.checked);
        if (target.checked) mixviz.set({}); // outlines are worked out when somebody wants to see them
      },
    },
  });
  mixviz.asking.grid = () => (boxes.checked ? { outlines: true } : {});
  const objects = make("label", { class: "mv-check" }, boxes, t("objects"));
  const legend = make("p", { class: "mv-legend" });
  const detectors = make("div", { class: "mv-detectors" });
  const node = make(
    "div",
    { class: "mv-panel mv-options", id: "mv-options", hidden: true },
    make("div", { class: "mv-options-fields" }, make("div", { data: { control: "fields" } }), objects),
    legend,
    make("h2", { textContent: t("detectors") }),
    make("p", { class: "mv-small", textContent: t("lenses_why") }),
    detectors,
  );
  const button = make("button", {
    class: "mv-button mv-options-button",
    textContent: t("options"),
    aria: { expanded: "false", controls: node.id },
    on: {
      click: () => {
        node.hidden = !node.hidden;
        button.setAttribute("aria-expanded", String(!node.hidden));
        mixviz.strip = !node.hidden; // the detectors' maps are worked out when somebody wants to see them
        if (mixviz.strip) mixviz.set({});
      },
    },
  });

  /** @param {Detector[]} all @param {string} sheet */
  function show(all, sheet) {
    detectors.replaceChildren(
      ...all.map((detector, i) => {
        const tiles = detector.peaks.map((peak, j) => {
          const mark = make("i", { class: "mv-ring" });
          const tile = make("span", { class: "mv-tile" }, mark);
          place(tile, sheet, 2 * i + j, 2 * all.length);
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

  /** @param {Grid} value @param {boolean} known are both objects known? */
  function update({ names: [a, b], detector, judge }, known) {
    /** @param {string} kind @param {string} text */
    const key = (kind, text) => make("span", {}, make("i", { class: `mv-key ${kind}` }), text);
    legend.replaceChildren(
      key("mv-a", t("legend_a", { name: a })),
      key("mv-b", t("legend_b", { name: b })),
      key("mv-patch", t("legend_patch")),
      make("span", { textContent: `${t("legend_fair")}. ${t(`judge.${judge}`)}` }),
    );
    objects.hidden = !known;
    press(detectors, "detector", detector);
  }

  return { node, button, show, update };
}
