// Annotation files of the visitor's pictures: which of some files they are, and what the server finds in them.
import { make } from "./dom.js";
import { mixviz } from "./page.js";
import { fileName } from "./own.js";
import { t } from "./texts.js";

/** @import { MarkedObject, Server } from "../types.js" */

export const MOST = 256; // annotation files, as on the server
export const ENDINGS = ".json,.txt,.xml,.png,.yaml,.yml,.names";
const TEXT = /\.(json|txt|xml|ya?ml|names)$/i;
const FOLDER = /mask|segment|label|annot/i; // of PNG masks beside pictures

/** @typedef {{ name: string, webkitRelativePath?: string }} Named */

/** A file's name with its folders. @param {Named} file */
export const whole = (file) => file.webkitRelativePath || file.name;
/** @param {string} path */
const stem = (path) => path.replace(/\.[^./]+$/, "");
/** @param {string} path */
const base = (path) => stem(path).split("/").pop() ?? "";

/**
 * Which of some files annotate the others. A PNG is a mask if it is called like a picture of another format beside it,
 * or like any picture elsewhere and lies in a folder of masks.
 *
 * @template {Named} Item
 * @param {Item[]} files
 * @returns {{ annotations: Item[], others: Item[] }}
 */
export function sortedOut(files) {
  const rest = files.filter(({ name }) => !TEXT.test(name));
  const beside = new Set(rest.filter(({ name }) => !/\.png$/i.test(name)).map((file) => stem(whole(file))));
  /** @param {Item} file */
  const folder = (file) => whole(file).split("/").slice(0, -1).pop() ?? "";
  const elsewhere = new Set(rest.filter((file) => !FOLDER.test(folder(file))).map((file) => base(whole(file))));
  /** @param {Item} file */
  const isMask = (file) =>
    /\.png$/i.test(file.name) &&
    (beside.has(stem(whole(file))) || (FOLDER.test(folder(file)) && elsewhere.has(base(whole(file)))));
  const annotations = files.filter((file) => TEXT.test(file.name) || isMask(file));
  return { annotations, others: files.filter((file) => !annotations.includes(file)) };
}

/**
 * Annotation files without those of pictures that were not taken.
 *
 * @template {Named} Item
 * @param {Item[]} annotations
 * @param {Item[]} pictures
 * @param {string[]} taken names of pictures
 */
export function withoutOthers(annotations, pictures, taken) {
  const used = new Set(taken.map(base));
  const left = new Set(pictures.map((file) => base(whole(file))).filter((name) => !used.has(name)));
  return annotations.filter((file) => /\.json$/i.test(file.name) || !left.has(base(whole(file))));
}

/**
 * Uploads annotation files.
 *
 * @param {File[]} files
 * @returns {Promise<{ pairs?: string[][], message?: string }>} (path, name) of each, or what is wrong
 */
export async function sendAnnotations(files) {
  if (files.length > MOST) return { message: t("annotations.many", { most: MOST, count: files.length }) };
  const paths = await mixviz.upload(files);
  return paths ? { pairs: paths.map((path, i) => [path, whole(files[i])]) } : { message: t("failed") };
}

/**
 * The part of a dialog that reads the objects of one picture from annotation files.
 *
 * @param {Server} server
 * @param {() => string} path of the picture
 * @param {(masks: number[][]) => void} onMasks gets the run-lengths of the objects that are chosen
 */
export function markFile(server, path, onMasks) {
  /** @type {MarkedObject[]} */
  let found = [];
  const note = make("p", { class: "mv-small", aria: { role: "status" } });
  const input = make("input", {
    type: "file",
    id: "mv-mark-file",
    multiple: true,
    accept: ENDINGS,
    on: {
      change: () => {
        read([...(input.files ?? [])]);
        input.value = "";
      },
    },
  });
  /** @type {HTMLSelectElement} */
  const which = make("select", { id: "mv-mark-object", on: { change: () => void use() } });
  const choice = make(
    "p",
    { class: "mv-chips", hidden: true },
    make("label", { htmlFor: which.id, textContent: t("mark.object") }),
    which,
  );
  const node = make(
    "div",
    { class: "mv-mark-file" },
    make(
      "div",
      { class: "mv-chips" },
      make("label", { class: "mv-button", htmlFor: input.id, textContent: t("mark.file") }),
      input,
      make("span", { class: "mv-small", textContent: t("mark.file_why") }),
    ),
    choice,
    note,
  );
  const use = () => onMasks((which.value ? [found[Number(which.value)]] : found).map(({ runs }) => runs));

  /** @param {File[]} files */
  async function read(files) {
    if (!files.length) return;
    const of = path();
    note.textContent = t("picker.sending");
    const { pairs, message } = await sendAnnotations(files);
    const asked = { path: of, name: fileName(of), annotations: pairs };
    const answer = pairs ? await mixviz.question("annotate", asked, server) : { message };
    if (of !== path()) return;
    note.textContent = answer.message ?? "";
    if (answer.message) return;
    found = answer.objects;
    const all = make("option", { value: "", textContent: t("mark.all", { count: found.length }) });
    which.replaceChildren(
      ...(found.length > 1 ? [all] : []),
      ...found.map(({ name }, i) => make("option", { value: String(i), textContent: `${i + 1}: ${name}` })),
    );
    choice.hidden = found.length < 2;
    note.textContent = [
      t("mark.found", { format: answer.format, count: found.length }),
      answer.left_out ? t("mark.left", { count: answer.left_out, reason: answer.reasons[0] }) : "",
    ]
      .filter(Boolean)
      .join(" ");
    use();
  }

  function begin() {
    found = [];
    choice.hidden = true;
    note.textContent = "";
  }
  return { node, begin };
}
