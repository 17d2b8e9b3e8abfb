// The visitor's own pictures, kept in this browser: neither a reload nor a restarted server loses them. Which of them
// are A and B is kept for each tab alone.
import { mixviz } from "./page.js";

/** @import { OwnPicture } from "../types.js" */

const MOST = 12; // pictures that are kept; the oldest goes first
const KEY = "mixviz.own";
const LETTERS = /** @type {const} */ (["a", "b"]);
/** @type {Map<string, OwnPicture>} pictures by their present paths on the server */
const known = new Map();
/** @type {Promise<IDBDatabase | null> | undefined} null in a browser without storage */
let opened;

function database() {
  return (opened ??= new Promise((resolve) => {
    const request = indexedDB.open("mixviz", 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore("pictures", { keyPath: "id", autoIncrement: true });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(null);
  }).catch(() => null));
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>}
 */
async function stored(mode, act) {
  const opened = await database();
  if (!opened) return undefined;
  return new Promise((resolve) => {
    const request = act(opened.transaction("pictures", mode).objectStore("pictures"));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => resolve(undefined);
  });
}

/** Which kept pictures this tab showed before it was loaded again. @returns {Record<string, number>} */
function shownBefore() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  } catch {
    return {};
  }
}

/** The kept pictures, the newest first. @returns {Promise<OwnPicture[]>} */
export async function kept() {
  return ((await stored("readonly", (store) => store.getAll())) ?? []).reverse();
}

/** The name of a kept picture's file, by its present path on the server. @param {string} path */
export const fileName = (path) => known.get(path)?.file.name ?? "";

/** @param {File} file @param {string} path @param {string} label */
export async function keep(file, path, label) {
  const same = known.get(path);
  const picture = { ...(same ? { id: same.id } : {}), file, path, label };
  const id = await stored("readwrite", (store) => store.put(picture));
  if (id === undefined) return;
  known.set(path, { ...picture, id });
  for (const { id: old } of (await kept()).slice(MOST)) await stored("readwrite", (store) => store.delete(old));
  note();
}

/** Removes all pictures from this browser. */
export async function forget() {
  await stored("readwrite", (store) => store.clear());
  known.clear();
  note();
}

/**
 * Gives the server a kept picture again if it has deleted it.
 *
 * @param {OwnPicture} picture
 * @returns {Promise<boolean>} whether it had
 */
async function give(picture) {
  const { gone } = await mixviz.question("preview", { path: picture.path });
  if (gone) {
    [picture.path] = (await mixviz.upload([picture.file])) ?? [""];
    await stored("readwrite", (store) => store.put(picture));
  }
  known.set(picture.path, picture);
  return !!gone;
}

/** The path of a kept picture on the server; empty if it cannot be sent. @param {OwnPicture} picture */
export async function pathOf(picture) {
  await give(picture);
  return picture.path;
}

/** Notes which kept pictures this tab shows, and their labels. */
function note() {
  /** @type {Record<string, number>} */
  const shown = {};
  for (const letter of LETTERS) {
    const picture = known.get(mixviz.state[letter] ?? "");
    if (!picture) continue;
    shown[letter] = picture.id;
    const label = mixviz.state[`name_${letter}`] ?? "";
    if (label === picture.label) continue;
    picture.label = label;
    stored("readwrite", (store) => store.put(picture));
  }
  try {
    sessionStorage.setItem(KEY, JSON.stringify(shown));
  } catch {
    // A browser without storage keeps nothing.
  }
}

/** Brings back what this tab showed before it was loaded again. */
export async function bringBack() {
  const query = new URLSearchParams(location.search);
  /** @type {Record<string, string>} */
  const changes = {};
  for (const letter of LETTERS) {
    if (!(letter in before) || query.has(letter)) continue;
    /** @type {OwnPicture | undefined} */
    const picture = await stored("readonly", (store) => store.get(before[letter]));
    const path = picture && (await pathOf(picture));
    if (path) Object.assign(changes, { [letter]: path, [`name_${letter}`]: picture.label });
  }
  if (Object.keys(changes).length) mixviz.set(changes);
}

/** Gives the server the shown pictures again. @returns {Promise<boolean>} whether it had lost one of them */
export async function renew() {
  let lost = false;
  for (const letter of LETTERS) {
    const picture = known.get(mixviz.state[letter] ?? "");
    if (!picture || !(await give(picture)) || !picture.path) continue;
    mixviz.state[letter] = picture.path;
    lost = true;
  }
  return lost;
}

const before = shownBefore();
mixviz.watch(note);
