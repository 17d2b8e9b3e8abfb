// The query of the retrieval view: A, B, or a picture of the gallery.
import { make } from "../../lib/dom.js";
import { tileOf } from "../../lib/scatter.js";
import { t } from "../../lib/texts.js";

/** @import { RetrievalModel } from "./model.js" */

/** @param {RetrievalModel} model @param {(query: "a" | "b" | number) => void} choose */
export function queryOf(model, choose) {
  const picture = make("div", { class: "mv-find-query" });
  const name = make("b");
  const label = make("span", { class: "mv-small" });
  const letters = make(
    "div",
    { class: "mv-chips", aria: { role: "group", label: t("find.query") } },
    ...(/** @type {const} */ (["a", "b"]).map((key) =>
      make("button", {
        class: "mv-chip",
        data: { query: key },
        textContent: t(`find.picture_${key}`),
        on: { click: () => choose(key) },
      }),
    )),
  );
  const all = make("div", { class: "mv-find-all", aria: { role: "group", label: t("find.gallery") } });
  const panel = make(
    "section",
    { class: "mv-panel", data: { part: "query" } },
    make("h2", { textContent: t("find.query") }),
    make("div", { class: "mv-find-asked" }, picture, make("div", {}, name, label, letters)),
    make("h3", { textContent: t("find.or_gallery") }),
    all,
  );

  function fill() {
    all.replaceChildren(
      ...model.gallery.labels.map((_, index) =>
        make(
          "button",
          {
            class: "mv-find-pick",
            data: { query: String(index) },
            title: model.labelAt(index),
            aria: { label: t("find.pick", { number: index + 1, name: model.labelAt(index) }) },
            on: { click: () => choose(index) },
          },
          tileOf(model.tileAt(index), 48),
        ),
      ),
    );
  }

  function draw() {
    if (!all.children.length) fill();
    picture.replaceChildren(tileOf(model.queryTile, 112));
    name.textContent = model.nameOf(model.query);
    label.textContent = model.label
      ? t("find.of_class", { name: t(`gallery.${model.label}`) })
      : t("find.no_class", { names: [...new Set(model.gallery.labels)].map((one) => t(`gallery.${one}`)).join(", ") });
    for (const button of panel.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.query === String(model.query)));
  }
  return { panel, draw };
}
