/**
 * Runs an experiment: reads its options, builds and installs what it needs, ends what it started, also when it fails
 * or is interrupted, and writes its figures into the repository only with `--record`.
 */
import "../scripts/node-version.mjs";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "../scripts/build.mjs";
import { readCommandLine, wholeNumber } from "../scripts/command-line.mjs";
import { ensureTools } from "../scripts/debian-tools.mjs";
import { Fault, main, print } from "../scripts/progress.mjs";
import { isStarted } from "../scripts/started.mjs";
import { Ends } from "../tests/harness/ends.mjs";
import { writeDocuments } from "./documents.mjs";
import { experimentAsText } from "./experiment-tables.mjs";
import { record, recorded } from "./recorded.mjs";

const PICTURES = path.resolve(import.meta.dirname, "../docs/internals");

/** Maximum value of an experiment's own option, if it is a number. */
const MAX_VALUE = 1_000_000;

/** Signals that end an experiment early. */
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM"]);

/**
 * What the frame knows of an experiment.
 * @typedef {object} About
 * @property {string} file its own `import.meta.filename`: nothing runs when another script imports it
 * @property {string} does what it measures, for `--help`
 * @property {string} takes the usual time
 * @property {import("../scripts/debian-tools.mjs").Tool[]} [tools] programs from Debian's packages
 * @property {() => Promise<unknown>} [prepare] installs further things
 * @property {Record<string, { value: string, means: string }>} [options] further options, each with its usual value
 */

/**
 * Figures to print, and to record under the name of their table.
 * @typedef {object} Figures
 * @property {import("./experiment-tables.mjs").Experiment} name
 * @property {Partial<import("./recorded.mjs").Recorded>} part
 * @property {string} [picture] SVG
 */

/** One run of an experiment, to which it reports what must be ended. Functions of the tests take it as their context. */
export class Run {
  /** Whether a look at every part is enough: at most a minute. */
  isQuick;
  /** @type {Record<string, string>} */
  options;
  #ends = new Ends();

  /**
   * @param {boolean} isQuick
   * @param {Record<string, string>} options
   */
  constructor(isQuick, options) {
    this.isQuick = isQuick;
    this.options = options;
  }

  /** Calls a function at the end, those added last first. @param {() => unknown} end */
  after(end) {
    this.#ends.add(end);
  }

  end() {
    return this.#ends.run();
  }
}

/**
 * @param {About} about
 * @param {(run: Run) => Promise<Figures | void>} measure
 */
export async function experiment(about, measure) {
  if (!isStarted(about.file)) return;
  await main(async () => {
    const { quick, record: isRecorded, ...options } = optionsOf(about);
    if (quick && isRecorded) throw new Fault("A quick run is not recorded: leave one out.");
    await build();
    await ensureTools(about.tools ?? []);
    await about.prepare?.();
    const run = new Run(quick === true, /** @type {Record<string, string>} */ (options));
    for (const signal of SIGNALS) {
      process.once(signal, () => void run.end().finally(() => process.exit(1)));
    }
    try {
      const figures = await measure(run);
      if (figures) conclude(figures, isRecorded === true);
    } finally {
      await run.end();
    }
  });
}

/** @param {About} about */
function optionsOf(about) {
  const { file, options = {} } = about;
  const own = Object.entries(options).map(([name, { value }]) => {
    const takes = /^\d+$/.test(value) ? wholeNumber(1, MAX_VALUE) : {};
    const option = { type: /** @type {const} */ ("string"), ...takes };
    return /** @type {const} */ ([name, option]);
  });
  const usual = Object.fromEntries(
    Object.entries(options).map(([name, { value }]) => [name, value]),
  );
  const { values } = readCommandLine({
    name: `node bench/${path.basename(file)}`,
    usage: usage(about),
    options: {
      quick: { type: "boolean" },
      record: { type: "boolean" },
      ...Object.fromEntries(own),
    },
  });
  return { ...usual, ...values };
}

/** @param {About} about */
function usage({ file, does, takes, options = {} }) {
  const lines = Object.entries(options).map(
    ([name, { value, means }]) => `  --${name} ${value}`.padEnd(22) + means,
  );
  return `Usage: node bench/${path.basename(file)} [OPTION …]
${does} Takes ${takes}.
${[
  "  --quick             looks at every part for at most a minute in all; records nothing",
  "  --record            writes the figures into bench/recorded.json, and the pages and pictures of docs/",
  ...lines,
  "  --help              prints this text",
].join("\n")}`;
}

/**
 * @param {Figures} figures
 * @param {boolean} isRecorded
 */
function conclude({ name, part, picture }, isRecorded) {
  print(experimentAsText(name, { ...recorded(), ...part }));
  if (!isRecorded) return print("\nNothing was written. With --record, docs/ gets these figures.");
  record(part);
  if (picture) writeFileSync(path.join(PICTURES, `${name}.svg`), picture);
  writeDocuments(recorded());
}
