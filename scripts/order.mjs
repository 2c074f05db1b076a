/**
 * Orders a module's functions so that they compress best.
 *
 * DEFLATE finds a repeat only within the last 32 KiB. Generic code compiles to similar functions for
 * each type, but the compiler places them far apart. Here each function follows those with which it
 * shares most, which makes the module a twentieth smaller. wasm-opt sorts functions by name only, so
 * each gets its place as its name.
 */

/** Number of equal bytes that count as common. */
const LENGTH = 6;

/** Distance in bytes within which repeats count: slightly less than DEFLATE's. */
const WINDOW = 31_000;

const CODE_SECTION = 10;
const FUNCTION_NAMES = 1;

/**
 * Returns the module with each function's place as its name.
 * @param {Buffer<ArrayBuffer>} wasm without names
 */
export function named(wasm) {
  const bodies = bodiesOf(wasm);
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(wasm));
  const imported = imports.filter(({ kind }) => kind === "function").length;
  /** @type {number[]} */
  const places = [];
  for (const [place, body] of order(bodies).entries()) places[body] = place;
  const names = places.flatMap((place, body) => [
    ...leb(imported + body),
    ...text(String(place).padStart(6, "0")),
  ]);
  const map = [...leb(bodies.length), ...names];
  const content = [...text("name"), FUNCTION_NAMES, ...leb(map.length), ...map];
  return Buffer.concat([wasm, Buffer.from([0, ...leb(content.length), ...content])]);
}

/**
 * Orders the functions: the longest first, then always the one with most sequences within the window.
 * @param {Buffer[]} bodies
 */
function order(bodies) {
  const { sequences, holders } = sequencesOf(bodies);
  // Count of each sequence within the window, and number of each body's sequences within it.
  const within = new Int32Array(holders.length);
  const shared = new Int32Array(bodies.length);
  const left = new Set(bodies.keys());
  /** @type {number[]} */
  const ordered = [];
  let [oldest, size] = [0, 0];
  while (left.size > 0) {
    const next = mostShared();
    left.delete(next);
    ordered.push(next);
    size += bodies[next].length;
    for (const sequence of sequences[next])
      if (within[sequence]++ === 0) for (const body of holders[sequence]) shared[body] += 1;
    while (size > WINDOW && ordered[oldest] !== next) {
      const gone = ordered[oldest++];
      size -= bodies[gone].length;
      for (const sequence of sequences[gone])
        if (--within[sequence] === 0) for (const body of holders[sequence]) shared[body] -= 1;
    }
  }
  return ordered;

  function mostShared() {
    let [best, bestScore] = [-1, -1];
    for (const body of left) {
      const length = sequences[body].length;
      // The share alone would prefer the shortest function, the number alone the longest.
      const score = shared[body] / (length + 10) ** 0.75;
      const isLonger = score === bestScore && length > sequences[best].length;
      if (score > bestScore || isLonger) [best, bestScore] = [body, score];
    }
    return best;
  }
}

/**
 * Indexes byte sequences: those of each body, and the bodies that contain each.
 * @param {Buffer[]} bodies
 */
function sequencesOf(bodies) {
  /** @type {Map<string, number>} */
  const numbers = new Map();
  /** @type {number[][]} */
  const holders = [];
  const sequences = bodies.map((bytes, body) => {
    const latin = bytes.toString("latin1");
    const own = new Set();
    for (let at = 0; at + LENGTH <= latin.length; at += 1) own.add(latin.slice(at, at + LENGTH));
    return Array.from(own, (sequence) => {
      const number = numbers.get(sequence) ?? holders.push([]) - 1;
      numbers.set(sequence, number);
      holders[number].push(body);
      return number;
    });
  });
  return { sequences, holders };
}

/**
 * Returns the bodies of the module's own functions.
 * @param {Buffer} wasm
 */
function bodiesOf(wasm) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  /** @type {Buffer[]} */
  const bodies = [];
  while (at < wasm.length) {
    const id = wasm[at++];
    const length = number();
    const end = at + length;
    for (let left = id === CODE_SECTION ? number() : 0; left > 0; left -= 1) {
      const size = number();
      bodies.push(wasm.subarray(at, at + size));
      at += size;
    }
    at = end;
  }
  return bodies;
}

/** @param {number} number */
function leb(number) {
  const bytes = [];
  for (let left = number; ; left >>>= 7) {
    if (left < 128) return [...bytes, left];
    bytes.push((left & 127) | 128);
  }
}

/** @param {string} ascii */
const text = (ascii) => [ascii.length, ...Buffer.from(ascii)];
