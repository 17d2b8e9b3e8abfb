// A row per network: the pictures of the gallery that it finds most similar to the query.
import { make } from "../../lib/dom.js";
import { percent } from "../../lib/numbers.js";
import { tileOf } from "../../lib/scatter.js";
import { t } from "../../lib/texts.js";

import { SHOWN, factsOf, titleOf, working } from "./model.js";

/** @import { Ranking, RetrievalModel, Searcher } from "./model.js" */

/** @param {RetrievalModel} model @param {(index: number, network: string) => void} choose */
export function rowsOf(model, choose) {
  const node = make("div", { class: "mv-find-rows" });

  /** @param {Ranking} found @param {number} place */
  function result(found, place) {
    const [index, similarity] = [found.order[place], found.similarity[place].toFixed(2)];
    const name = model.labelAt(index);
    const hit = found.hit?.[place];
    const kind = hit === undefined ? "unknown" : hit ? "hit" : "miss";
    return make(
      "li",
      {},
      make(
        "button",
        {
          class: `mv-find-result mv-find-${kind}`,
          data: { result: String(index), kind },
          aria: {
            label: t(`find.${kind}`, { rank: place + 1, name, similarity }),
            pressed: String(model.partner === index && model.looked.name === found.name),
          },
          on: { click: () => choose(index, found.name) },
        },
        tileOf(model.tileAt(index), 96),
        make("span", { textContent: `${{ hit: "✓ ", miss: "✗ ", unknown: "" }[kind]}${name}` }),
        make("b", { textContent: similarity }),
      ),
    );
  }

  /** @param {Ranking} found */
  const scores = (found) =>
    make(
      "p",
      { class: "mv-find-scores" },
      make("span", { data: { score: "ap" } }, t("find.ap"), make("b", { textContent: score(found.ap) })),
      make("span", { data: { score: "map" } }, t("find.map"), make("b", { textContent: score(found.map) })),
    );

  /** @param {Searcher} its */
  function row(its) {
    const found = model.rows.get(its.name);
    const head = make(
      "div",
      { class: "mv-find-head" },
      make(
        "div",
        {},
        make("h3", { textContent: titleOf(its) }),
        make("p", { class: "mv-small", textContent: factsOf(its) }),
      ),
    );
    const section = make("section", { class: "mv-find-row", data: { network: its.name } }, head);
    /** @param {string} textContent @param {string} role */
    const told = (textContent, role) => section.append(make("p", { class: "mv-told", textContent, aria: { role } }));
    if (!found) told(t("find.searching"), "status");
    else if (found.message) told(found.message, "alert");
    else if (found.progress) told(working(found.progress, "find.embedding"), "status");
    else {
      head.append(scores(found));
      section.append(
        make(
          "ol",
          { class: "mv-find-strip", aria: { label: t("find.strip", { name: titleOf(its) }) } },
          ...found.order.slice(0, SHOWN).map((_, place) => result(found, place)),
        ),
      );
    }
    return section;
  }

  const draw = () => node.replaceChildren(...model.shown.map(row));
  return { node, draw };
}

/** @param {number | null} value */
const score = (value) => (value === null ? "–" : percent(value));
