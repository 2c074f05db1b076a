/**
 * Reads a command line with Node's own parser, which is there before any package is installed. Adds `--help`, and says of
 * each mistake what would be right.
 */
import util from "node:util";
import { near } from "./nearest.mjs";
import { Fault, Help } from "./progress.mjs";

/**
 * @typedef {object} Option
 * @property {"boolean" | "string"} type
 * @property {boolean} [multiple] whether it may be repeated
 * @property {string} [takes] what its value must be, for messages; its first word is a noun with an article
 * @property {(text: string) => any} [read] returns its value; `undefined` rejects the text
 * @property {boolean} [secret] whether messages do not repeat its value
 * @property {RegExp} [orValue] of a boolean: a following word like this is its value
 */

/**
 * @typedef {object} Shape
 * @property {string} name as typed, such as `npm start`
 * @property {string} usage printed by `--help`
 * @property {Record<string, Option>} [options]
 * @property {Record<string, string>} [commands] first words, each with the words that follow: `"HOST [PATH]"`
 * @property {string} [words] what further words are, if there are no commands: `"[WORD …]"`; no words if absent
 * @property {boolean} [rest] whether words after a further `--` are for another program
 * @property {(word: string) => string} [onWord] advises on a word where none is expected
 */

/** @typedef {{ values: Record<string, any>, words: string[], rest: string[] }} CommandLine the first word is the command, if there are commands */

/**
 * Reads a command line. Throws a `Fault` for a mistake, and `Help` for `--help`.
 * @param {Shape} shape
 * @param {string[]} [args]
 * @returns {CommandLine}
 */
export function readCommandLine(shape, args = process.argv.slice(2)) {
  const { name, usage, options = {} } = shape;
  const end = shape.rest && args.includes("--") ? args.indexOf("--") : args.length;
  const rest = args.slice(end + 1);
  /** @type {Record<string, Option>} */
  const known = { ...options, help: { type: "boolean" } };
  const { tokens } = util.parseArgs({
    args: joined(args.slice(0, end), options),
    options: Object.fromEntries([
      ...Object.entries(known).map(([option, { type }]) => [option, { type }]),
      ["help", { type: "boolean", short: "h" }],
    ]),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  if (tokens.some((token) => token.kind === "option" && token.name === "help"))
    throw new Help(usage);
  try {
    mustReachUs(name, options);
    /** @type {Record<string, any>} */
    const values = {};
    const words = [];
    for (const token of tokens) {
      if (token.kind === "positional") words.push(token.value);
      if (token.kind !== "option") continue;
      const value = optionValue(token, known);
      const { multiple } = known[token.name];
      values[token.name] = multiple ? [...(values[token.name] ?? []), value] : value;
    }
    checkWords(shape, words);
    return { values, words, rest };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Fault(`${error.message}\n\nHelp: ${helpOf(name)}`);
  }
}

/**
 * Joins options that may have a value with the word that is theirs.
 * @param {string[]} args
 * @param {Record<string, Option>} options
 */
function joined(args, options) {
  /** @type {string[]} */
  const all = [];
  for (const arg of args) {
    const last = all.at(-1) ?? "";
    const { orValue } = options[last.replace(/^--/, "")] ?? {};
    if (last.startsWith("--") && orValue?.test(arg)) all.splice(-1, 1, `${last}=${arg}`);
    else all.push(arg);
  }
  return all;
}

/** Returns the command that prints the usage. @param {string} name */
function helpOf(name) {
  return name.startsWith("npm ") ? `${name} -- --help` : `${name} --help`;
}

/**
 * npm keeps options without a `--` before them, and passes them in the environment.
 * @param {string} name
 * @param {Record<string, Option>} options
 */
function mustReachUs(name, options) {
  const { npm_lifecycle_event: script } = process.env;
  if (!name.startsWith("npm ") || script !== name.split(" ").at(-1)) return;
  for (const option of Object.keys(options)) {
    if (process.env[`npm_config_${option.replaceAll("-", "_")}`]) {
      throw new Fault(
        `npm kept --${option} for itself. Write -- before it: ${name} -- --${option}`,
      );
    }
  }
}

/**
 * @param {{ name: string, rawName: string, value?: string, inlineValue?: boolean }} token
 * @param {Record<string, Option>} known
 */
function optionValue({ name, rawName, value, inlineValue }, known) {
  if (!Object.hasOwn(known, name)) {
    const names = Object.keys(known).map((one) => `--${one}`);
    const meant = near(rawName, names);
    const cure = meant ? `Did you mean ${meant}?` : `Options: ${names.join(", ")}.`;
    throw new Fault(`There is no option ${rawName}. ${cure}`);
  }
  const option = known[name];
  const { takes = "a value", read = (/** @type {string} */ text) => text, secret } = option;
  if (option.type === "boolean") {
    if (value === undefined) return true;
    if (!option.orValue) throw new Fault(`${rawName} takes no value.`);
  }
  if (value === undefined || (!inlineValue && /^--?[a-z]/.test(value))) {
    throw new Fault(`${rawName} is without its value. It takes ${takes}.`);
  }
  const found = read(value);
  if (found === undefined)
    throw new Fault(`${rawName} takes ${takes}${secret ? "" : `, not "${value}"`}.`);
  return found;
}

/**
 * @param {Shape} shape
 * @param {string[]} words
 */
function checkWords({ name, commands, words: expected, onWord }, words) {
  if (!commands) {
    if (expected !== undefined || words.length === 0) return;
    const advice = onWord?.(words[0]) ?? "";
    throw new Fault(`"${words[0]}" is one word too many: ${name} takes options only.${advice}`);
  }
  const [command, ...rest] = words;
  const names = Object.keys(commands);
  const list = `Use one of: ${names.join(", ")}.`;
  if (command === undefined) throw new Fault(`The command is missing. ${list}`);
  if (!Object.hasOwn(commands, command)) {
    const meant = near(command, names);
    throw new Fault(
      `There is no command "${command}". ${meant ? `Did you mean ${meant}? ` : ""}${list}`,
    );
  }
  const wanted = commands[command].split(" ").filter(Boolean);
  const least = wanted.filter((word) => !word.startsWith("[")).length;
  const most = wanted.some((word) => word.includes("…")) ? Number.POSITIVE_INFINITY : wanted.length;
  if (rest.length < least)
    throw new Fault(`${wanted[rest.length]} is missing: ${command} ${commands[command]}`);
  // The message does not repeat the word, which may be a password.
  if (rest.length > most) {
    const right = `${command} ${commands[command]}`.trim();
    throw new Fault(`There are words too many. Write: ${right}${onWord?.(rest[most]) ?? ""}`);
  }
}

/**
 * Returns a reader of numbers.
 * @param {number} least
 * @param {number} most
 * @returns {Pick<Option, "takes" | "read">}
 */
export function wholeNumber(least, most) {
  return {
    takes: `a number from ${least} to ${most}`,
    read: (text) => {
      const number = Number(text);
      return /^\d+$/.test(text) && number >= least && number <= most ? number : undefined;
    },
  };
}

/**
 * Returns a reader of a comma-separated list of known words.
 * @param {string[]} known
 * @returns {Pick<Option, "takes" | "read">}
 */
export function someOf(known) {
  return {
    takes: `some of ${known.join(", ")}, with commas between them`,
    read: (text) => {
      const words = text.split(",");
      return words.every((word) => known.includes(word)) ? words : undefined;
    },
  };
}
