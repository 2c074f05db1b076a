/** Finds the known word closest to a mistyped one. */

/**
 * Returns the known word that differs least from the given one.
 * @param {string} word
 * @param {string[]} known at least one
 */
export function nearest(word, known) {
  return known.toSorted((a, b) => distance(a, word) - distance(b, word))[0];
}

/**
 * Returns the known word that was probably meant, if one is similar.
 * @param {string} word
 * @param {string[]} known
 */
export function near(word, known) {
  const begun = known.find((one) => word.length > 3 && one.startsWith(word));
  if (begun !== undefined || known.length === 0) return begun;
  const found = nearest(word, known);
  return distance(found, word) <= Math.max(2, word.length / 3) ? found : undefined;
}

/**
 * Returns the number of letters to add, remove or replace to turn one word into the other.
 * @param {string} a
 * @param {string} b
 */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const letter of a) {
    const above = row;
    row = [above[0] + 1];
    for (const [at, other] of [...b].entries()) {
      const replaced = above[at] + (letter === other ? 0 : 1);
      row.push(Math.min(replaced, above[at + 1] + 1, row[at] + 1));
    }
  }
  return row[b.length];
}
