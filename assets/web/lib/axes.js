// Menus that choose the axes of a plot.
import { make } from "./dom.js";
import { t } from "./texts.js";

/**
 * Menus of the axes among columns {key, title}; `chosen` {x, y} is changed in place.
 *
 * @param {{ key: string, title: string }[]} columns
 * @param {Record<string, string>} chosen
 * @param {() => void} changed
 */
export function axisChoice(columns, chosen, changed) {
  const selects = ["y", "x"].map((axis) => {
    const select = make(
      "select",
      {
        data: { axis },
        on: {
          change: () => {
            chosen[axis] = select.value;
            changed();
          },
        },
      },
      ...columns.map(({ key, title }) => make("option", { value: key, textContent: title })),
    );
    select.value = chosen[axis];
    return make("label", { class: "mv-axis" }, t(`compare.axis_${axis}`), select);
  });
  return make("div", { class: "mv-axes" }, ...selects);
}
