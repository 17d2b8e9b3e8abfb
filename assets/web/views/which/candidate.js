// One method's card: its title, its numbers, sentences of its explanation, and the lines to copy.
import { codePanel } from "../../lib/code.js";
import { focusOn, make, onEscape } from "../../lib/dom.js";
import { signed } from "../../lib/numbers.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Candidate, Column, GiveBack, OpenCard, Published, State } from "../../types.js" */

/** @param {() => Column[]} columns @param {() => Published[]} settings */
export function candidateCard(columns, settings) {
  const node = make("section", {
    class: "mv-panel mv-network",
    hidden: true,
    data: { part: "candidate" },
    aria: { label: t("which.card") },
  });
  /** @type {GiveBack} */
  let back = () => null;
  /** @type {string | null} */
  let shown = null;
  function close() {
    node.hidden = true;
    shown = null;
    focusOn(back());
  }
  onEscape(node, close);

  /** @param {Candidate} row */
  function draw(row) {
    const heading = make("h3", { tabIndex: -1, textContent: row.title });
    const figures = columns()
      .filter(({ key }) => row.said[key] && key !== "published")
      .map(({ key, title }) =>
        make(
          "div",
          {},
          make("dt", { textContent: title }),
          make("dd", {}, row.said[key], row.notes[key] ? make("small", { textContent: ` ${row.notes[key]}` }) : ""),
        ),
      );
    const reported = settings()
      .filter(({ key }) => row.published[key])
      .map((setting) => {
        const { change, source, selection } = row.published[setting.key];
        return make("li", {
          textContent: t("which.reported", {
            setting: t("compare.setting", setting),
            change: signed(change, 2),
            source,
            selection,
          }),
        });
      });
    /** @param {string} key @param {string} view @param {Partial<State>} changes */
    const door = (key, view, changes) =>
      make("button", {
        class: "mv-button",
        data: { door: view },
        textContent: t(key),
        on: { click: () => mixviz.open(view, changes) },
      });
    node.replaceChildren(
      make(
        "div",
        { class: "mv-plot-head" },
        heading,
        make("button", { class: "mv-button", textContent: t("compare.close"), on: { click: close } }),
      ),
      make("p", { class: "mv-told", textContent: t(`summary.${row.name}`) }),
      make(
        "p",
        { class: "mv-small" },
        row.url
          ? make("a", { href: row.url, target: "_blank", rel: "noopener", textContent: row.citation })
          : row.citation,
      ),
      ...(row.error
        ? [make("p", { class: "mv-small", textContent: t("which.failed", { title: row.title, reason: row.error }) })]
        : []),
      make("dl", { class: "mv-facts mv-figures" }, ...figures),
      ...(row.inside ? [make("p", { class: "mv-small", textContent: t("which.inside") })] : []),
      ...(row.says.length
        ? [
            make("h4", { textContent: t("which.says") }),
            make("ul", { class: "mv-says-list" }, ...row.says.map((text) => make("li", { textContent: text }))),
          ]
        : []),
      make("h4", { textContent: t("which.published") }),
      reported.length
        ? make("ul", { class: "mv-says-list" }, ...reported)
        : make("p", { class: "mv-small", textContent: t("which.nothing_published") }),
      make("h4", { textContent: t("which.lines") }),
      make("p", {
        class: "mv-small",
        textContent: t(row.needs === "network" ? "which.lines_network" : "which.lines_loader"),
      }),
      ...codePanel(row.lines, { label: t("which.lines") }).nodes,
      make(
        "div",
        { class: "mv-chips mv-doors" },
        door("open", "detail", { method: row.name }),
        door("tab_draws", "draws", { method: row.name }),
        door("tab_tree", "tree", { idea: row.name }),
      ),
    );
    return heading;
  }
  /**
   * Opens below the chosen element, and returns the focus to it on closing.
   *
   * @type {OpenCard<Candidate>}
   */
  const open = (row, after, giveBack) => {
    if (!row) return;
    [back, shown] = [giveBack, row.name];
    const heading = draw(row);
    after.after(node);
    node.hidden = false;
    heading.focus();
    node.scrollIntoView({ block: "nearest" });
  };
  /** @param {Map<string, Candidate>} rows */
  const redraw = (rows) => {
    const row = shown && rows.get(shown);
    if (row) draw(row);
  };
  return { node, open, redraw };
}
