// Elements of the page. Text is set through textContent only, pictures through blob URLs.
import { percent } from "./numbers.js";
import { t } from "./texts.js";

/**
 * @typedef {object} Extras
 * @property {string} [class]
 * @property {Record<string, unknown>} [data] `data-` attributes
 * @property {Record<string, unknown>} [aria] `aria-` attributes, and the role
 * @property {Record<string, (event: any) => unknown>} [on] listeners
 */

/**
 * An element with properties, attributes, listeners and children. A button never submits a form.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Extras & { [Name in keyof HTMLElementTagNameMap[Tag]]?: unknown }} [options]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function make(tag, options = {}, ...children) {
  const { class: name, data = {}, on = {}, aria = {}, ...rest } = options;
  const node = Object.assign(document.createElement(tag), tag === "button" ? { type: "button" } : {}, rest);
  if (name) node.className = name;
  Object.assign(node.dataset, data);
  for (const [key, value] of Object.entries(aria))
    node.setAttribute(key === "role" ? key : `aria-${key}`, String(value));
  for (const [event, run] of Object.entries(on)) node.addEventListener(event, run);
  node.append(...children);
  return node;
}

/**
 * Finds an element that must exist.
 *
 * @param {ParentNode} node
 * @param {string} selector
 * @returns {HTMLElement}
 */
export const within = (node, selector) => /** @type {HTMLElement} */ (node.querySelector(selector));

/** @param {Element | null} node an element of this page, where it is still there */
export const focusOn = (node) => (node instanceof HTMLElement || node instanceof SVGElement ? node.focus() : undefined);

/**
 * Closes a panel on the Escape key, without passing the key to the surrounding elements.
 *
 * @param {HTMLElement} panel
 * @param {() => void} close
 */
export function onEscape(panel, close) {
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
}

/**
 * Makes a row of controls a single stop of the Tab key: arrow keys move within it.
 *
 * @template {HTMLElement} Bar
 * @param {Bar} bar
 */
export function toolbar(bar) {
  bar.setAttribute("role", "toolbar");
  bar.addEventListener("keydown", (event) => {
    const all = [...bar.querySelectorAll("button, select")];
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Tab") focusOn(all[event.shiftKey ? 0 : all.length - 1]); // the browser goes on from there
    if (!step || !document.activeElement) return;
    event.preventDefault();
    focusOn(all[(all.indexOf(document.activeElement) + step + all.length) % all.length]);
  });
  return bar;
}

/**
 * The component's container within the element that Gradio passes to its script.
 *
 * @param {Element} element
 */
export const partOf = (element) => within(element, ".mv-part");

/**
 * The children of an element of this page, which are HTML elements.
 *
 * @param {Element} node
 * @returns {HTMLElement[]}
 */
export const childrenOf = (node) => /** @type {HTMLElement[]} */ ([...node.children]);

/**
 * Marks one of several buttons as pressed, by its `data-` attribute.
 *
 * @param {Element} group
 * @param {string} key
 * @param {string} wanted
 */
export function press(group, key, wanted) {
  for (const button of childrenOf(group)) button.setAttribute("aria-pressed", String(button.dataset[key] === wanted));
}

/**
 * Shows one tile of a sheet as a background.
 *
 * @param {HTMLElement} tile
 * @param {string | undefined} url
 * @param {number} index
 * @param {number} columns
 * @param {number} [rows]
 */
export function place(tile, url, index, columns, rows = 1) {
  /** @param {number} i @param {number} n */
  const at = (i, n) => (n > 1 ? (100 * i) / (n - 1) : 0);
  tile.style.backgroundImage = `url(${url})`;
  tile.style.backgroundSize = `${100 * columns}% ${100 * rows}%`;
  tile.style.backgroundPosition = `${at(index % columns, columns)}% ${at(Math.floor(index / columns), rows)}%`;
}

/**
 * Places a frame at edges in fractions of the sides: (top, left, bottom, right).
 *
 * @param {HTMLElement} box
 * @param {number[] | null | undefined} edges
 */
export function outline(box, edges) {
  box.hidden = !edges;
  if (!edges) return;
  const [top, left, bottom, right] = edges.map((edge) => 100 * edge);
  Object.assign(box.style, { top: `${top}%`, left: `${left}%`, height: `${bottom - top}%`, width: `${right - left}%` });
}

/**
 * @param {HTMLElement} node
 * @param {number[] | null | undefined} peak (row, column) in fractions of the sides
 */
export function ring(node, peak) {
  node.hidden = !peak;
  if (peak) Object.assign(node.style, { top: `${100 * peak[0]}%`, left: `${100 * peak[1]}%` });
}

/**
 * The text of a part of the label bar: its share, with the name if it fits, else the letter, else alone.
 *
 * @param {string} name
 * @param {string} letter
 * @param {number} share
 * @param {number} letters letters that fit into the whole bar
 */
export function fitting(name, letter, share, letters) {
  const texts = [`${name} ${percent(share)}`, `${letter} ${percent(share)}`, percent(share)];
  return texts.find((text) => text.length <= letters * share) ?? "";
}

export const LETTERS = "ABCD";

/**
 * A bar with a part per name, each with its own colour and letter.
 *
 * @param {number} [letters]
 */
export function labelBar(letters = 34) {
  const node = make("div", { class: "mv-bar", aria: { role: "img" } });
  /** @param {string[]} names @param {number[]} share @param {number} [room] */
  const update = (names, share, room = letters) => {
    const label = names.map((name, i) => `${percent(share[i])} ${name}`).join(", ");
    node.setAttribute("aria-label", t("label_says", { parts: label }));
    while (node.children.length < names.length) {
      node.append(make("span", { class: `mv-${LETTERS[node.children.length % 4].toLowerCase()}` }));
    }
    childrenOf(node).forEach((part, i) => {
      part.style.flexGrow = String(share[i] ?? 0);
      part.textContent = i < names.length ? fitting(names[i], LETTERS[i % 4], share[i], room) : "";
    });
  };
  return { node, update };
}

/**
 * Lets a long name such as RandSaliencyMix break between its words, as in Rand-Saliency-Mix, and not inside one.
 *
 * @param {string} title
 * @returns {(Node | string)[]}
 */
export function byHumps(title) {
  return title.split(/(?<=[a-z])(?=[A-Z])/).flatMap((word, i) => (i ? [make("wbr"), word] : [word]));
}

/**
 * Buttons that save something as SVG, PNG and CSV.
 *
 * @param {(kind: string) => unknown} save
 */
export const saveButtons = (save) =>
  make(
    "div",
    { class: "mv-chips" },
    ...["svg", "png", "csv"].map((kind) =>
      make("button", {
        class: "mv-chip",
        data: { take: kind },
        textContent: kind.toUpperCase(),
        aria: { label: t("plot.take", { kind: kind.toUpperCase() }) },
        on: { click: () => save(kind) },
      }),
    ),
  );

/**
 * Offers a file as a download.
 *
 * @param {string} href a blob URL, which is released a little later
 * @param {string} name
 */
export function download(href, name) {
  make("a", { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10000);
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
export const hand = (blob, name) => download(URL.createObjectURL(blob), name);
