// The legend of the plane: classes or clusters, of which one can be highlighted.
import { make } from "../../lib/dom.js";
import { markOf } from "../../lib/scatter.js";
import { t } from "../../lib/texts.js";

import { byCluster, entriesOf } from "./spots.js";

/** @import { EmbeddingsView, Entry } from "../../types.js" */

/** @param {EmbeddingsView} view @param {() => void} light redraws what is highlighted */
export function legendOf(view, light) {
  const title = make("h2");
  const why = make("p", { class: "mv-small" });
  const list = make("div", { class: "mv-kinds" });
  const panel = make("section", { class: "mv-panel" }, title, why, list);

  /** @param {number | null} group */
  const hover = (group) => {
    view.hovered = group;
    light();
  };

  /** @param {Entry} entry */
  const button = ({ group, text, style }) =>
    make(
      "button",
      {
        class: "mv-group",
        data: { group },
        aria: { pressed: String(view.pinned === group) },
        on: {
          click: () => {
            view.pinned = view.pinned === group ? null : group;
            for (const one of list.querySelectorAll("button"))
              one.setAttribute("aria-pressed", String(one.dataset.group === String(view.pinned)));
            hover(null);
          },
          pointerenter: () => hover(group),
          pointerleave: () => hover(null),
          focus: (event) => event.target.matches(":focus-visible") && hover(group),
          blur: () => hover(null),
        },
      },
      markOf(style),
      text,
    );

  function draw() {
    const kinds = entriesOf(view);
    title.textContent = t(byCluster(view) ? "embed.clusters" : "embed.groups");
    why.textContent = t(kinds.some(({ kind }) => kind) ? "embed.groups_kinds" : "embed.groups_why");
    list.replaceChildren(
      ...kinds.map(({ kind, entries }) => {
        const label = kind ? t(`embed.kind.${kind}`) : title.textContent;
        return make(
          "div",
          { class: "mv-kind", aria: { role: "group", label } },
          ...(kind ? [make("b", { textContent: label })] : []),
          ...entries.map(button),
        );
      }),
    );
  }

  return { panel, draw };
}
