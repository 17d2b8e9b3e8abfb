// Which of some files annotate the others, by their names.
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
