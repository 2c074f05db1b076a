/**
 * Selects the tests of a run of `npm test`: all, those that match words, or those that find most in
 * little time.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { Fault } from "./progress.mjs";
import { ROOT } from "./setup.mjs";

/**
 * Suites of a quick run: each way through the running Worker once, after all native tests. Suites that
 * start wrangler, a browser or a chat server are not included.
 */
const QUICK = [
  "chinese",
  "claims",
  "clear-cookies",
  "console-reading",
  "cookie",
  "cors",
  "explain",
  "handshakes",
  "headers",
  "identity",
  "instance",
  "links",
  "oidc-parameters",
  "operator",
  "paths",
  "prose",
  "reference",
  "routing",
  "session-api",
  "streaming",
  "websocket",
  "wire",
].map((name) => `tests/${name}.test.mjs`);

/** The longest suites, longest first. They begin first, so that no core waits for one of them at the end. */
const LONG = [
  "browser/doors",
  "browser/console",
  "documented",
  "browser/browsers",
  "oidc-hostile",
  "ejection",
  "tenants-cli",
  "gradual-deployment",
  "browser/demo",
  "oidc-refresh",
  "tenants",
  "users-cli",
  "traps-objects",
  "start",
  "traps-waiting",
  "traps",
  "gradual-moves",
  "oidc",
  "open-connections",
  "pauses",
  "chainlit/chainlit",
  "kit/python",
  "kit/chainlit",
  "kit/fastapi",
  "session",
  "tenants-remote",
  "embed",
  "browser/console-access",
  "serve",
  "self-host",
  "serve-machines",
].map((name) => `tests/${name}.test.mjs`);

/** Suites that run one after the other: they run `wrangler dev` over this folder's storage. */
const SHARED_STORAGE = ["tests/start.test.mjs", "tests/checks.test.mjs"];

/**
 * Suites that run alone: they measure time or memory, or what arrives over a slow network within a time, or serve a
 * hundred visitors at once.
 */
const ALONE = new Set([
  "tests/kit/rolling.test.mjs",
  "tests/one-reading.test.mjs",
  "tests/poor-network.test.mjs",
  "tests/pressure.test.mjs",
]);

/**
 * A suite, or its tests with matching names.
 * @typedef {{ file: string, words?: string[] }} Chosen
 */

/**
 * The tests of a run.
 * @typedef {object} Choice
 * @property {string[] | null} native words in names of native tests; empty for all, `null` for none
 * @property {string[]} targets integration tests of Rust that run completely
 * @property {Chosen[]} suites
 */

/** Returns every suite of the running Worker, as a path from the root. */
export function allSuites() {
  const names = readdirSync(path.join(ROOT, "tests"), { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => name.endsWith(".test.mjs"))
    .map((name) => `tests/${name.replaceAll(path.sep, "/")}`)
    .sort();
}

/** @returns {Choice} */
export function everything() {
  return { native: [], targets: [], suites: allSuites().map((file) => ({ file })) };
}

/** @returns {Choice} */
export function quick() {
  const there = new Set(allSuites());
  const missing = QUICK.filter((file) => !there.has(file));
  if (missing.length > 0)
    throw new Fault(
      `QUICK in scripts/suites.mjs names suites that do not exist: ${missing.join(", ")}.`,
    );
  return { native: [], targets: [], suites: QUICK.map((file) => ({ file })) };
}

/**
 * Chooses the suites that have one of the words in their path, and the tests that have one in their name.
 * @param {string[]} words
 * @returns {Choice}
 */
export function matching(words) {
  const unmatched = new Set(words);
  const found = (/** @type {string} */ text) => {
    const lower = text.toLowerCase();
    const here = words.filter((word) => lower.includes(word.toLowerCase()));
    for (const word of here) unmatched.delete(word);
    return here;
  };
  const suites = allSuites().flatMap((file) => {
    const names = found(testNames(readFileSync(path.join(ROOT, file), "utf8")));
    if (found(file.slice("tests/".length, -".test.mjs".length)).length > 0) return [{ file }];
    return names.length > 0 ? [{ file, words: names }] : [];
  });
  const native = [...new Set(rustTests().flatMap(found))];
  const targets = rustTargets().filter((target) => found(target).length > 0);
  if (unmatched.size > 0) {
    throw new Fault(
      `No test matches ${[...unmatched].join(", ")}: neither a file in tests/ nor a test's name contains it.`,
    );
  }
  return { native: native.length > 0 ? native : null, targets, suites };
}

/**
 * Arranges suites in their starting order.
 * @param {Chosen[]} suites
 * @returns {{ together: Chosen[][], alone: Chosen[] }} lists of suites that run one after the other, with the
 *   lists side by side; and suites that run alone
 */
export function arranged(suites) {
  const rank = (/** @type {Chosen} */ { file }) =>
    LONG.includes(file) ? LONG.indexOf(file) : LONG.length;
  const isShared = (/** @type {Chosen} */ { file }) => SHARED_STORAGE.includes(file);
  const beside = suites.filter(({ file }) => !ALONE.has(file));
  const shared = beside.filter(isShared);
  const lists = beside.filter((suite) => !isShared(suite)).map((suite) => [suite]);
  if (shared.length > 0) lists.push(shared);
  return {
    together: lists.sort(([a], [b]) => rank(a) - rank(b)),
    alone: suites.filter(({ file }) => ALONE.has(file)),
  };
}

/** Returns the names of a suite's tests as in the source, one a line. @param {string} source */
function testNames(source) {
  const names = source.matchAll(/\b(?:test|it)\(\s*(["'`])((?:\\.|(?!\1)[\s\S])*)\1/g);
  return Array.from(names, ([, , name]) => name).join("\n");
}

/** Returns approximate names of native tests: the path of each file and of each function in it. */
function rustTests() {
  return ["src", "tools/argon2/src"].flatMap((folder) => {
    const files = readdirSync(path.join(ROOT, folder), { recursive: true, encoding: "utf8" });
    return files
      .filter((file) => file.endsWith(".rs"))
      .flatMap((file) => {
        const source = readFileSync(path.join(ROOT, folder, file), "utf8");
        if (!source.includes("#[test]")) return [];
        const module = file.replace(/(?:\/mod)?\.rs$/, "").replaceAll("/", "::");
        const functions = source.matchAll(/#\[test\]\s+(?:#\[.*\]\s+)*fn (\w+)/g);
        return Array.from(functions, ([, name]) => `${module}::${name}`);
      });
  });
}

/** Returns the names of Rust's integration tests. */
function rustTargets() {
  const entries = readdirSync(path.join(ROOT, "tests"), { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .filter((name) => readdirSync(path.join(ROOT, "tests", name)).includes("main.rs"));
}
