/** Computes the difference of two texts by lines: the longest common subsequence. */

/** @typedef {{ kind: "same" | "gone" | "new", text: string, before: number, after: number }} Change */

/** Number of lines shown around a change. */
const AROUND = 3;

/**
 * @param {string} before
 * @param {string} after
 * @returns {Change[]}
 */
export function diff(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (
    tail < Math.min(a.length, b.length) - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail += 1;

  const [from, to] = [a.slice(head, a.length - tail), b.slice(head, b.length - tail)];
  /** Length of the longest common subsequence of the rests, by their starts. */
  const length = Array.from({ length: from.length + 1 }, () => new Uint16Array(to.length + 1));
  for (let i = from.length - 1; i >= 0; i -= 1)
    for (let j = to.length - 1; j >= 0; j -= 1)
      length[i][j] =
        from[i] === to[j] ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);

  /** @type {Change[]} */
  const changes = [];
  let [i, j] = [0, 0];
  const take = (/** @type {Change["kind"]} */ kind) => {
    changes.push({ kind, text: kind === "new" ? b[j] : a[i], before: i + 1, after: j + 1 });
    if (kind !== "new") i += 1;
    if (kind !== "gone") j += 1;
  };
  while (i < a.length || j < b.length) {
    const [x, y] = [i - head, j - head];
    const isCommon = x < 0 || (x >= from.length && y >= to.length);
    if (isCommon || (x < from.length && y < to.length && from[x] === to[y])) take("same");
    else if (y >= to.length || (x < from.length && length[x + 1][y] >= length[x][y + 1]))
      take("gone");
    else take("new");
  }
  return changes;
}

/**
 * Returns changes with lines around them; null where lines are omitted.
 * @param {Change[]} changes
 * @returns {(Change | null)[]}
 */
export function condensed(changes) {
  const near = changes.map((_, at) =>
    changes.slice(Math.max(0, at - AROUND), at + AROUND + 1).some(({ kind }) => kind !== "same"),
  );
  return changes.flatMap((change, at) => {
    if (near[at]) return [change];
    return at === 0 || near[at - 1] ? [null] : [];
  });
}
