// View of a method as Python: exactly the picture that is shown, and the method in a training loop.
import { codePanel } from "../lib/code.js";
import { make, partOf, press } from "../lib/dom.js";
import { mixviz } from "../lib/page.js";
import { t } from "../lib/texts.js";

/** @import { Code, Context } from "../types.js" */

/** @param {Context} context */
export default function codeView({ element }) {
  const root = partOf(element);
  let kind = "picture";
  let turn = 0;
  /** @type {Code} */
  let value;
  const kinds = make(
    "div",
    { class: "mv-chips", aria: { role: "group", label: t("tab_code") } },
    ...["picture", "loop"].map((name) =>
      make("button", {
        class: "mv-chip",
        data: { kind: name },
        textContent: t(`code.${name}`),
        on: {
          click: () => {
            kind = name;
            draw();
          },
        },
      }),
    ),
  );
  const lead = make("p", { class: "mv-told" });
  const list = make("div", { class: "mv-snippets" });
  root.append(kinds, lead, list);

  /** @param {string} name @param {string} lines */
  function snippet(name, lines) {
    const title = t(`snippet.${name}`);
    const [text, tools] = codePanel(lines, { label: title }).nodes;
    const head = make("div", { class: "mv-snippet-head" }, make("h2", { textContent: title }), tools);
    return make("section", { class: "mv-panel", data: { snippet: name } }, head, text);
  }

  function draw() {
    press(kinds, "kind", kind);
    lead.textContent = kind === "loop" ? t("code.loop_why") : "";
    const shown = kind === "picture" ? { picture: value.picture } : value.loop;
    list.replaceChildren(...Object.entries(shown).map(([name, lines]) => snippet(name, lines)));
  }

  mixviz.views(
    "code",
    /** @param {Code} answer */ (answer) => {
      value = answer;
      draw();
      root.dataset.shown = String(++turn);
    },
  );
}
