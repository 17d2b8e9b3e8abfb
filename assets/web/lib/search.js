// A search that forgives: spaces, capitals and hyphens do not count, and one letter may be wrong.

/** @param {string} text */
const letters = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}+]/gu, "");

/**
 * Are two words equal but for one letter: changed, left out, added, or swapped with its neighbour?
 *
 * @param {string} a
 * @param {string} b
 */
export function nearly(a, b) {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  const swapped = a[i] === b[i + 1] && a[i + 1] === b[i] && a.slice(i + 2) === b.slice(i + 2);
  const rest = [a.slice(i + 1) === b.slice(i + 1), a.slice(i) === b.slice(i + 1), a.slice(i + 1) === b.slice(i)];
  return swapped || rest.some(Boolean);
}

/**
 * Does a query find something by its names, or by the words that describe it?
 *
 * @param {string} query
 * @param {string[]} names
 * @param {string} [words]
 */
export function finds(query, names, words = "") {
  const wanted = letters(query);
  if (!wanted) return true;
  const known = names.map(letters);
  if (known.some((name) => name.includes(wanted))) return true;
  if (wanted.length < 4) return false;
  const single = words.toLowerCase().split(/[^\p{L}\p{N}]+/u);
  const stem = wanted.slice(0, Math.max(4, wanted.length - 1)); // "rotate" finds "rotation"
  return known.some((name) => nearly(name, wanted)) || single.some((word) => word.startsWith(stem));
}
