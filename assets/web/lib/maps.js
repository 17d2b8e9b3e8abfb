// Maps of which a key is known to be there.

/**
 * The value of a key that must be there.
 *
 * @template Key, Value
 * @param {Map<Key, Value>} map
 * @param {Key} key
 * @returns {Value}
 */
export function known(map, key) {
  const value = map.get(key);
  if (value === undefined) throw new Error(`There is no ${key}.`);
  return value;
}
