// The query of the retrieval view: A, B, or a picture of the gallery.
import { make } from "../../lib/dom.js";
import { tileOf } from "../../lib/scatter.js";
import { t } from "../../lib/texts.js";

/** @import { RetrievalModel } from "./model.js" */

const MANY = 60; // pictures above which those of one class are offered
const NAMED = 12; // classes that a sentence names

/**
 * @param {RetrievalModel} model
 * @param {(query: "a" | "b" | number) => void} choose
 * @param {(gallery: string) => void} change
 */
export function queryOf(model, choose, change) {
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
  const which = make("select", {
    name: "gallery",
    aria: { label: t("find.which_gallery") },
    on: { change: ({ target }) => change(target.value) },
  });
  const some = make("p", { class: "mv-small" });
  const classes = make("select", { name: "class", aria: { label: t("find.class") }, on: { change: () => offer() } });
  /** @type {import("./model.js").Gallery | null} whose pictures are offered */
  let filled = null;
  const choice = make("div", { class: "mv-find-gallery" }, make("label", {}, t("find.which_gallery"), which), some);
  const all = make("div", { class: "mv-find-all", aria: { role: "group", label: t("find.gallery") } });
  const panel = make(
    "section",
    { class: "mv-panel", data: { part: "query" } },
    make("h2", { textContent: t("find.query") }),
    make("div", { class: "mv-find-asked" }, picture, make("div", {}, name, label, letters)),
    make("h3", { textContent: t("find.or_gallery") }),
    choice,
    classes,
    all,
  );

  function fill() {
    const { gallery, galleries, labels, total } = model.gallery;
    filled = model.gallery;
    choice.hidden = galleries.length === 1;
    which.replaceChildren(
      ...galleries.map(({ name, title }) => make("option", { value: name, textContent: title || t("find.bundled") })),
    );
    which.value = gallery;
    const found = [...new Set(labels)];
    const its = {
      shown: labels.length.toLocaleString(),
      total: total.toLocaleString(),
      classes: found.length.toLocaleString(),
    };
    some.textContent = t(total > labels.length ? "find.some" : "find.every", its);
    classes.hidden = labels.length <= MANY;
    classes.replaceChildren(...found.map((value) => make("option", { value, textContent: model.className(value) })));
    offer();
  }

  /** Brings the query to sight where it is a picture of the gallery. */
  function reveal() {
    if (typeof model.query !== "number") return;
    const label = model.gallery.labels[model.query];
    if (!classes.hidden && classes.value !== label) {
      classes.value = label;
      offer();
    }
    const pressed = /** @type {HTMLElement | null} */ (all.querySelector("[aria-pressed=true]"));
    if (!pressed) return;
    const top = pressed.offsetTop - all.offsetTop;
    if (top < all.scrollTop || top + pressed.offsetHeight > all.scrollTop + all.clientHeight) all.scrollTop = top;
  }

  /** Offers the pictures of the gallery, of a large one those of the chosen class. */
  function offer() {
    const { labels } = model.gallery;
    const offered = [...labels.keys()].filter((index) => classes.hidden || labels[index] === classes.value);
    all.replaceChildren(
      ...offered.map((index) =>
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
    press();
  }

  function press() {
    for (const button of panel.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.query === String(model.query)));
  }

  function unknown() {
    const names = [...new Set(model.gallery.labels)].map((one) => model.className(one));
    return names.length > NAMED ? t("find.no_class_of_many") : t("find.no_class", { names: names.join(", ") });
  }

  function draw() {
    if (filled !== model.gallery) fill();
    picture.replaceChildren(tileOf(model.queryTile, 112));
    name.textContent = model.nameOf(model.query);
    label.textContent = model.label
      ? t("find.of_class", { name: model.className(model.label) })
      : unknown();
    press();
    reveal();
  }
  return { panel, draw };
}
