// Annotation files of the visitor's pictures: sent to the server, and what it finds in them.
import { whole } from "./annotation_names.js";
import { make } from "./dom.js";
import { mixviz } from "./page.js";
import { fileName } from "./own.js";
import { t } from "./texts.js";

/** @import { MarkedObject, Server } from "../types.js" */

export const MOST = 256; // annotation files, as on the server
export const ENDINGS = ".json,.txt,.xml,.png,.yaml,.yml,.names";

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
