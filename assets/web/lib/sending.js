// Upload of the visitor's own pictures, one by one; the server then checks in parts which are usable.
import { mixviz } from "./page.js";
import { Sheet } from "./sheets.js";
import { t } from "./texts.js";

/** @import { Context, Tile } from "../types.js" */

/** @typedef {(text: string) => void} Tell reports the progress */

/**
 * The usable pictures of an upload.
 *
 * @typedef {object} Sent
 * @property {string[]} paths
 * @property {string[]} names
 * @property {Tile[]} sheets
 * @property {string[]} left the reasons why others are excluded
 * @property {number} known
 * @property {number} others number of files that are not pictures
 */

const PART = 20;

/**
 * Selects at most `most` pictures, evenly spaced, so that every sub-folder keeps its proportion.
 *
 * @template {{ name: string, webkitRelativePath?: string }} Item
 * @param {Item[]} files
 * @param {number} most
 * @param {string[]} endings of pictures
 */
export function someOf(files, most, endings) {
  /** @param {Item} file */
  const path = (file) => file.webkitRelativePath || file.name;
  const known = files
    .filter(({ name }) => endings.some((ending) => name.toLowerCase().endsWith(ending)))
    .sort((a, b) => (path(a) < path(b) ? -1 : 1));
  const count = Math.min(known.length, most);
  const taken = Array.from({ length: count }, (_, i) => known[Math.floor((i * known.length) / count)]);
  return { taken, known: known.length, others: files.length - known.length };
}

/**
 * @param {Context} context
 * @param {File[]} files
 * @param {number} most
 * @param {Tell} tell
 * @returns {Promise<Sent>}
 */
export async function sendFolder({ server, upload }, files, most, tell) {
  const { taken, known, others } = someOf(files, most, t("endings").split(","));
  /** @type {Sent} */
  const sent = { paths: [], names: [], sheets: [], left: [], known, others };
  for (let from = 0; from < taken.length; from += PART) {
    tell(t("embed.sending", { i: from, n: taken.length }));
    const part = taken.slice(from, from + PART);
    const there = await Promise.all(
      part.map((file) =>
        upload(file).then(
          ({ path }) => path,
          () => null,
        ),
      ),
    );
    const arrived = part.filter((_, i) => there[i]);
    const paths = there.filter((path) => path !== null);
    part.forEach((file, i) => there[i] || sent.left.push(t("embed.too_big", { name: file.name })));
    if (!paths.length) continue;
    const answer = await mixviz.question("look_in", { files: paths }, server);
    if (answer.message) throw new Error(answer.message);
    /** @type {string[]} */
    const reasons = answer.reasons;
    const used = reasons.flatMap((reason, i) => (reason ? [] : [i]));
    sent.left.push(...reasons.filter(Boolean));
    const url = answer.sheet && (await new Sheet().open(answer.sheet));
    used.forEach((i, index) => {
      sent.paths.push(paths[i]);
      sent.names.push(arrived[i].webkitRelativePath || arrived[i].name);
      sent.sheets.push({ url, index, columns: 20, rows: Math.ceil(used.length / 20) });
    });
  }
  return sent;
}

/**
 * Uploads a zip as a whole, which the server unpacks in parts.
 *
 * @param {Context} context
 * @param {File} file
 * @param {Tell} tell
 * @returns {Promise<Sent>}
 */
export async function sendZip({ server }, file, tell) {
  /** @type {Sent} */
  const sent = { paths: [], names: [], sheets: [], left: [], known: 0, others: 0 };
  tell(t("embed.sending", { i: 0, n: 1 }));
  const [zip] = (await mixviz.upload([file])) ?? [];
  if (!zip) throw new Error(t("embed.too_big", { name: file.name }));
  for (let start = 0, total = 1; start < total; start += PART) {
    const answer = await mixviz.question("unpack", { zip, start }, server);
    if (answer.message) throw new Error(answer.message);
    answer.names.forEach((/** @type {string} */ name, /** @type {number} */ i) => {
      if (answer.reasons[i]) return sent.left.push(answer.reasons[i]);
      sent.paths.push(answer.paths[i]);
      sent.names.push(name);
    });
    Object.assign(sent, { known: answer.known, others: answer.others });
    total = answer.total;
    tell(t("batch.unpacking", { i: Math.min(start + PART, total), n: total }));
  }
  return sent;
}
