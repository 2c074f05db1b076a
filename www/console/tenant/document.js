/** Reads and changes values of a document by their keys. */

/** @typedef {(string | number)[]} Keys */

/**
 * @param {unknown} document
 * @param {Keys} keys
 * @returns {unknown} undefined if there is none
 */
export function valueAt(document, keys) {
  let here = document;
  for (const key of keys) {
    if (here === null || typeof here !== "object" || !Object.hasOwn(here, key)) return undefined;
    here = /** @type {any} */ (here)[key];
  }
  return here;
}

/**
 * Returns a copy of the document with a value in its place; undefined removes it, and objects that get empty by that.
 * @param {unknown} document
 * @param {Keys} keys
 * @param {unknown} value
 * @returns {unknown}
 */
export function withValue(document, keys, value) {
  const [key, ...rest] = keys;
  if (key === undefined) return value;
  const before = valueAt(document, [key]);
  const after = withValue(before, rest, value);
  if (Array.isArray(document) || (document === undefined && typeof key === "number")) {
    const list = Array.isArray(document) ? document : [];
    return after === undefined
      ? list.filter((_, at) => at !== key)
      : Object.assign([...list], { [key]: after });
  }
  const members = document !== null && typeof document === "object" ? Object.entries(document) : [];
  if (after === undefined) {
    const left = members.filter(([name]) => name !== key);
    return left.length > 0 ? Object.fromEntries(left) : undefined;
  }
  if (before !== undefined)
    return Object.fromEntries(members.map(([name, old]) => [name, name === key ? after : old]));
  return Object.fromEntries([...members, [key, after]]);
}

/**
 * Returns a copy of the document with another name for a member, in the same place.
 * @param {unknown} document
 * @param {Keys} keys of the object
 * @param {string} name
 * @param {string} next
 */
export function renamed(document, keys, name, next) {
  const members = Object.entries(/** @type {object} */ (valueAt(document, keys) ?? {}));
  const changed = members.map(([key, value]) => [key === name ? next : key, value]);
  return withValue(document, keys, Object.fromEntries(changed));
}
