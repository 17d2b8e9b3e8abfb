// The page's address: the server's parameters and the browser's own.

/** Parameters that the server knows nothing of. */
export const KEPT = [
  "__theme",
  "lang",
  "pin",
  "lesson",
  "present",
  "scale",
  "colours",
  "strength",
  "threshold",
  "to",
  "layout",
  "networks",
  "find",
  "family",
  "without",
  "limits",
  "setting",
  "axes",
  "part",
  "idea",
  "query",
  "rows",
  "gallery",
  "search",
  "trial",
];

/**
 * The server's new query with the browser's own parameters of the previous query.
 *
 * @param {URLSearchParams} now
 * @param {string} text
 */
export function linked(now, text) {
  const query = new URLSearchParams(text);
  for (const name of KEPT) {
    const value = now.get(name);
    if (value !== null) query.set(name, value);
  }
  return query;
}

/**
 * The query with one of the browser's own parameters changed, or removed if the value is empty.
 *
 * @param {URLSearchParams} now
 * @param {string} name
 * @param {unknown} value
 */
export function noted(now, name, value) {
  const query = new URLSearchParams(now);
  value ? query.set(name, String(value)) : query.delete(name);
  return query;
}

/**
 * The stem of a file's path: "lion" of "/a/lion.jpg".
 *
 * @param {string | null | undefined} path
 */
export const stem = (path) =>
  path
    ?.split("/")
    .at(-1)
    ?.replace(/\.\w+$/, "");

/**
 * The values of a comma-separated parameter.
 *
 * @param {string | null} text
 */
export const listed = (text) => (text ?? "").split(",").filter(Boolean);
