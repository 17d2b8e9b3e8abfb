// The annotation files of the visitor's batch: chosen, held against the pictures by the server, used or refused.
import { withoutOthers } from "../../lib/annotation_names.js";
import { ENDINGS, sendAnnotations } from "../../lib/annotations.js";
import { make } from "../../lib/dom.js";
import { mixviz } from "../../lib/page.js";
import { t } from "../../lib/texts.js";

/** @import { Server } from "../../types.js" */

/**
 * @param {Server} server
 * @param {() => { paths: string[], names: string[] } | null} own the visitor's pictures
 * @param {(input: HTMLInputElement) => unknown} onFiles
 * @param {() => unknown} onUse after other annotations are used
 */
export function annotationsOf(server, own, onFiles, onUse) {
  /** @type {string[][]} (path, name) of the files that were given last */
  let given = [];
  /** @type {{ annotations: string[][], skip: boolean }} */
  let used = { annotations: [], skip: false };
  /** @type {HTMLInputElement} */
  const input = make("input", {
    type: "file",
    multiple: true,
    name: "annotations",
    accept: ENDINGS,
    on: { change: () => onFiles(input) },
  });
  const skip = make("input", { type: "checkbox", name: "skip", on: { change: () => given.length && check() } });
  const bare = make("button", {
    class: "mv-button",
    textContent: t("batch.no_annotations"),
    hidden: true,
    on: {
      click: () => {
        forget();
        input.focus(); // this button has disappeared
        onUse();
      },
    },
  });
  const note = make("p", { class: "mv-small", aria: { role: "status" } });
  const reasons = make("ul", { class: "mv-small mv-left-out" });
  const nodes = [
    make("p", { class: "mv-small mv-annotations", textContent: t("batch.annotations_why") }),
    make(
      "div",
      { class: "mv-load" },
      make("label", { class: "mv-file" }, t("batch.choose_annotations"), input),
      make("label", { class: "mv-check" }, skip, t("batch.skip")),
      bare,
    ),
    note,
    reasons,
  ];

  function forget() {
    given = [];
    used = { annotations: [], skip: false };
    bare.hidden = true;
    note.textContent = "";
    reasons.replaceChildren();
  }

  /**
   * Uploads annotation files, without those of pictures that were not taken, and uses them if the server can.
   *
   * @param {File[]} files
   * @param {File[]} pictures among which some were taken
   */
  async function give(files, pictures = []) {
    const pictured = own();
    if (!pictured?.paths.length) return void (note.textContent = t("batch.pictures_first"));
    const { pairs, message = "" } = await sendAnnotations(withoutOthers(files, pictures, pictured.names));
    if (!pairs) return void (note.textContent = message);
    given = pairs;
    await check();
  }

  /** Uses the files that were given last, if the server can; else the earlier ones stay. */
  async function check() {
    const { paths = [], names = [] } = own() ?? {};
    const wanted = { annotations: given, skip: skip.checked };
    const files = paths.map((path, i) => [path, names[i]]);
    const answer = await mixviz.question("annotate", { files, ...wanted }, server);
    /** @type {string[]} */
    const left = answer.reasons ?? [];
    reasons.replaceChildren(...left.map((reason) => make("li", { textContent: reason })));
    note.textContent = answer.message ?? told({ ...answer, n: paths.length });
    if (answer.message) return;
    used = wanted;
    bare.hidden = false;
    onUse();
  }
  return { nodes, input, used: () => used, forget, give };
}

/** @param {{ classes: string[], left_out: number }} about what the server found */
function told(about) {
  const { classes, left_out: count } = about;
  return [
    t("batch.annotated", about),
    classes.length ? t("batch.annotated_classes", { classes: classes.join(", ") }) : "",
    count ? t("batch.annotated_left", { count }) : "",
  ]
    .filter(Boolean)
    .join(" ");
}
