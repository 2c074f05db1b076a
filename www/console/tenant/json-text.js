/**
 * Parses JSON (RFC 8259) with positions: the line of a fault, the line of `origins[0].url`, and the path
 * of the caret.
 */

/**
 * @typedef {object} Node
 * @property {string} path as faults name it: `origins[0].url`
 * @property {(string | number)[]} keys
 * @property {"object" | "array" | "value"} kind
 * @property {number} from the start of its key, or of the value
 * @property {number} start
 * @property {number} end after its last character
 * @property {Node[]} inside
 */

/** @typedef {{ at: number, problem: string }} Mistake */

class Wrong extends Error {
  /**
   * @param {number} at
   * @param {string} problem
   */
  constructor(at, problem) {
    super(problem);
    this.at = at;
  }
}

const SPACE = /[ \t\n\r]*/y;
const STRING = /"(?:[^"\\\n]|\\.)*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;

/**
 * @param {string} text
 * @returns {{ root: Node | null, mistake: Mistake | null }}
 */
export function read(text) {
  let at = 0;

  const match = (/** @type {RegExp} */ pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0] ?? "";
    at += found.length;
    return found;
  };

  const next = () => {
    match(SPACE);
    return text[at] ?? "";
  };

  /** @param {string} what */
  const string = (what) => {
    const start = at;
    const found = match(STRING);
    if (text[start] !== '"') throw new Wrong(start, `${what} must be in double quotes.`);
    try {
      return JSON.parse(found);
    } catch {
      throw new Wrong(
        start,
        "This string has no end, or contains a character that must be escaped.",
      );
    }
  };

  /**
   * @param {(string | number)[]} keys
   * @param {number} from
   * @returns {Node}
   */
  const value = (keys, from) => {
    const first = next();
    const start = at;
    const node = { path: pathOf(keys), keys, from: from < 0 ? start : from, start };
    if (first === "{") return { ...node, kind: "object", inside: members(keys), end: at };
    if (first === "[") return { ...node, kind: "array", inside: entries(keys), end: at };
    if (first === '"') string("A string");
    else if (!match(SCALAR)) throw new Wrong(start, "A value is missing here, or it is not JSON.");
    return { ...node, kind: "value", inside: [], end: at };
  };

  /** @param {(string | number)[]} keys */
  const members = (keys) => {
    /** @type {Node[]} */
    const inside = [];
    const names = new Set();
    at += 1;
    if (next() === "}") {
      at += 1;
      return inside;
    }
    for (;;) {
      next();
      const from = at;
      if (inside.length > 0 && text[at] === "}")
        throw new Wrong(at, "Remove the comma before this }.");
      const name = string("A key");
      if (names.has(name)) throw new Wrong(from, `The key "${name}" occurs twice.`);
      names.add(name);
      if (next() !== ":") throw new Wrong(at, `A colon is missing after "${name}".`);
      at += 1;
      inside.push(value([...keys, name], from));
      if (isLast("}", from)) return inside;
    }
  };

  /** @param {(string | number)[]} keys */
  const entries = (keys) => {
    /** @type {Node[]} */
    const inside = [];
    const from = at;
    at += 1;
    if (next() === "]") {
      at += 1;
      return inside;
    }
    for (;;) {
      if (inside.length > 0 && next() === "]")
        throw new Wrong(at, "Remove the comma before this ].");
      inside.push(value([...keys, inside.length], -1));
      if (isLast("]", from)) return inside;
    }
  };

  /**
   * @param {string} close
   * @param {number} from
   */
  const isLast = (close, from) => {
    const found = next();
    if (found === close || found === ",") {
      at += 1;
      return found === close;
    }
    throw new Wrong(
      found ? at : from,
      `A comma or ${close} is missing${found ? " before this" : ""}.`,
    );
  };

  try {
    const root = value([], -1);
    if (next() !== "") throw new Wrong(at, "The document ends before this.");
    return { root, mistake: null };
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    return { root: null, mistake: { at: error.at, problem: error.message } };
  }
}

/** @param {(string | number)[]} keys */
export function pathOf(keys) {
  return keys.reduce(
    (/** @type {string} */ path, key) =>
      typeof key === "number" ? `${path}[${key}]` : path ? `${path}.${key}` : key,
    "",
  );
}

/**
 * Returns the innermost node around an offset.
 * @param {Node} root
 * @param {number} offset
 * @returns {Node}
 */
export function nodeAt(root, offset) {
  const inner = root.inside.find((node) => offset >= node.from && offset <= node.end);
  return inner ? nodeAt(inner, offset) : root;
}

/**
 * Returns the node of a path; if it is missing, the nearest one around it.
 * @param {Node} root
 * @param {string} path
 * @returns {Node}
 */
export function nodeOf(root, path) {
  const leads = (/** @type {Node} */ node) =>
    path === node.path || path.startsWith(`${node.path}.`) || path.startsWith(`${node.path}[`);
  const inner = root.inside.filter(leads).sort((a, b) => b.path.length - a.path.length)[0];
  return inner ? nodeOf(inner, path) : root;
}

/**
 * Returns the line of an offset, counted from 1.
 * @param {string} text
 * @param {number} offset
 */
export function lineOf(text, offset) {
  return text.slice(0, offset).split("\n").length;
}
