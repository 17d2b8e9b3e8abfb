// The page's texts in the visitor's language.

/** @type {Record<string, string>} */
const texts = {};

/** The language of the page, as the server's head has chosen it. */
export const language = () => window.mixvizLanguage;

/** @param {Record<string, string>} known */
export function setTexts(known) {
  Object.assign(texts, known);
}

/**
 * The text of a key with its placeholders filled in; the key itself if there is no text.
 *
 * @param {string} key
 * @param {object} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  const known = /** @type {Record<string, unknown>} */ (values);
  return (texts[key] ?? key).replace(/{(\w+)}/g, (place, name) => String(known[name] ?? place));
}

/**
 * A name in the page's language, or the given fallback.
 *
 * @param {string} key
 * @param {string} otherwise
 */
export const named = (key, otherwise) => (t(key) === key ? otherwise : t(key));

/** @param {string} name */
export const className = (name) => named(`class.${name}`, name);

/**
 * @param {string} name
 * @param {string} title
 */
export const networkName = (name, title) => named(`network.${name}`, title);

/**
 * A sentence of the server about the two pictures, with their names.
 *
 * @param {{ key: string, values?: object }} about
 * @param {string[]} names
 */
export const sentence = (about, [a, b]) => t(about.key, { ...about.values, a, b });
