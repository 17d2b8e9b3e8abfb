// A random name that tells a visitor from others, for what runs on the server at their wish.

/**
 * The name that a storage of the browser keeps: a tab's own, or that of all its tabs.
 *
 * @param {"session" | "local"} where
 * @param {string} key
 */
export function visitorIn(where, key) {
  const numbers = crypto.getRandomValues(new Uint32Array(4));
  const made = [...numbers].map((one) => one.toString(36).padStart(7, "0")).join("");
  try {
    const storage = where === "session" ? sessionStorage : localStorage;
    const kept = storage.getItem(key) ?? made;
    storage.setItem(key, kept);
    return kept;
  } catch {
    return made; // a browser that keeps nothing
  }
}
