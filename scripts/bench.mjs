/**
 * `npm run bench`: measures the cost of a request in several variants, and compares it with the goals.
 *
 * First processor time: each variant is a workerd of its own under the same load from wrk, one
 * connection count, in interleaved rounds; the figure is user and system time of the process over the
 * requests counted, as a ratio to the barest Worker. That is far steadier than requests per second.
 * Messages of WebSockets and event streams are measured the same way. Then it counts each variant's storage
 * operations under the profiles, and Cloudflare's price for them; the sizes of records and of the wasm; and
 * the time of a start.
 */
import "./node-version.mjs";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { benchNative } from "./bench-native.mjs";
import { build } from "./build.mjs";
import { readCommandLine, wholeNumber } from "./command-line.mjs";
import { ensureTools } from "./debian-tools.mjs";
import { near } from "./nearest.mjs";
import { Fault, main, print, step } from "./progress.mjs";
import { exitCode } from "./run.mjs";
import { NODE, packages, ROOT } from "./setup.mjs";

const USAGE = `Usage: npm run bench [-- OPTION …]
       npm run bench -- EXPERIMENT [OPTION …]    as node bench/EXPERIMENT.mjs, such as soak
Measures the cost of a request in several variants, in about 18 minutes. Writes nothing without --record.
  --only A,B      measures some parts: processor, messages, operations, records, wasm, starts
  --anchors       measures the latency of the whole way instead, with nginx and HAProxy for comparison
  --native        measures the core alone: instructions and allocations of its cases, with their bounds
  --scale         measures what grows with sessions, tenants, origins and sockets (names for --only), in 15 minutes
  --rounds 7      number of rounds
  --seconds 3     seconds of a round (2 with --scale)
  --quick         one round of a second of messages, records, wasm and starts
  --record        writes bench/recorded.json, and the tables and pictures of docs/
  --help          prints this text`;

/** @typedef {import("../bench/recorded.mjs").Made} Made */
/** @typedef {import("../bench/recorded.mjs").Recorded} Recorded */

/**
 * The measurements, in their order; their results are recorded.
 * @type {Record<string, (originPort: number, made: Made) => Promise<Partial<Recorded>>>}
 */
const PARTS = {
  processor: measureProcessor,
  messages: measureMessages,
  operations: countOperations,
  records: weighRecords,
  wasm: weighWasm,
  starts: measureStarts,
};

/** The measurements of a quick run. */
const QUICK_PARTS = ["messages", "records", "wasm", "starts"];

/** The measurements of `--scale`: see bench/scale.mjs. */
const SCALE_PARTS = ["sessions", "tenants", "origins", "sockets"];

const FLAG = /** @type {const} */ ({ type: "boolean" });
const SHAPE = {
  name: "npm run bench",
  usage: USAGE,
  options: {
    rounds: { type: /** @type {const} */ ("string"), ...wholeNumber(1, 1000) },
    seconds: { type: /** @type {const} */ ("string"), ...wholeNumber(1, 3600) },
    only: {
      type: /** @type {const} */ ("string"),
      takes: "names of parts, with commas between them",
    },
    anchors: FLAG,
    native: FLAG,
    scale: FLAG,
    quick: FLAG,
    record: FLAG,
  },
};

await main(async () => {
  const [first, ...rest] = process.argv.slice(2);
  if (first !== undefined && !first.startsWith("-")) return experiment(first, rest);
  const { values } = readCommandLine(SHAPE);
  if (values.quick && values.record) throw new Fault("A quick run is not recorded: leave one out.");
  const { anchors, scale, quick } = values;
  const { rounds = quick ? 1 : 7, seconds = quick ? 1 : scale ? 2 : 3 } = values;
  const known = anchors ? [] : scale ? SCALE_PARTS : Object.keys(PARTS);
  const parts = values.only?.split(",") ?? (quick && !anchors && !scale ? QUICK_PARTS : known);
  const unknown = parts.filter((/** @type {string} */ part) => !known.includes(part));
  if (unknown.length > 0) {
    const usable = known.length > 0 ? `Use some of: ${known.join(", ")}.` : "Leave --only out.";
    throw new Fault(`--only names unknown parts: ${unknown.join(", ")}. ${usable}`);
  }
  const { machine, record, recorded } = await import("../bench/recorded.mjs");
  if (values.native) return benchNative(machine(), values.record);
  const made = { ...machine(), rounds, seconds };
  await build();
  await ensureTools(anchors ? ["wrk", "nginx", "haproxy"] : ["wrk", "nginx"]);
  const { installPeers } = await import("../bench/bundle.mjs");
  if (!scale || parts.includes("sockets")) await installPeers();
  const { startOrigin } = await import("../bench/origin.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");

  let results = recorded();
  const keep = (/** @type {Partial<Recorded>} */ part) => {
    results = { ...results, ...part };
    // A measurement is kept even if a later one fails.
    if (values.record) record(part);
  };
  const origin = await startOrigin();
  try {
    if (anchors) {
      keep({ anchors: { made, table: await measureAnchors(origin.port, made) } });
    } else if (scale) {
      const { measureScale } = await import("../bench/scale.mjs");
      keep({ scale: await measureScale(parts, origin.port, made, step, results.scale) });
    } else {
      for (const part of parts) keep(await PARTS[part](origin.port, made));
    }
  } finally {
    await origin.stop();
  }
  await printReport(results, { anchors, scale });
  if (!values.record) return print("Nothing was written. With --record, docs/ gets these figures.");
  writeDocuments(results);
  print(
    "Results are in bench/recorded.json, the tables of docs/, and docs/internals/bench.svg, goals.svg and scale.svg.",
  );
});

/**
 * Runs an experiment by the Node of the packages, once these are installed.
 * @param {string} name
 * @param {string[]} args
 */
async function experiment(name, args) {
  const file = path.join(ROOT, "bench", `${name}.mjs`);
  if (!experiments().includes(name)) {
    const names = experiments();
    const meant = near(name, names);
    const cure = meant ? `Did you mean ${meant}?` : `Use one of: ${names.join(", ")}.`;
    throw new Fault(`There is no experiment "${name}". ${cure}\n\nHelp: npm run bench -- --help`);
  }
  await packages(new AbortController().signal);
  return (await exitCode(NODE, [file, ...args])) ?? 1;
}

/** Returns the names of the scripts in bench/ that are experiments. */
function experiments() {
  const folder = path.join(ROOT, "bench");
  const isOne = (/** @type {string} */ file) =>
    /^await experiment\(/m.test(readFileSync(path.join(folder, file), "utf8"));
  const files = readdirSync(folder).filter((file) => file.endsWith(".mjs"));
  return files.filter(isOne).map((file) => path.basename(file, ".mjs"));
}

/**
 * @param {number} originPort
 * @param {Made} made
 */
async function measureProcessor(originPort, made) {
  const { rounds, seconds } = made;
  const { processorTimes, WARM_UP_SECONDS } = await import("../bench/processor.mjs");
  const { VARIANTS } = await import("../bench/variants.mjs");
  const cost = await step(
    `Measuring ${VARIANTS.length} variants in ${rounds} rounds`,
    minutes(VARIANTS.length * (WARM_UP_SECONDS + rounds * seconds)),
    () => processorTimes(originPort, rounds, seconds),
  );
  return { made, cost };
}

/**
 * @param {number} _
 * @param {Made} made
 */
async function measureMessages(_, made) {
  const { rounds, seconds } = made;
  const { CASES, messageTimes } = await import("../bench/messages.mjs");
  const table = await step(
    `Measuring messages in ${rounds} rounds`,
    minutes(rounds * CASES.length * (seconds + 1)),
    () => messageTimes(rounds, seconds),
  );
  return { messages: { made, table } };
}

/** @param {number} originPort */
async function countOperations(originPort) {
  const { countAll } = await import("../bench/operations.mjs");
  const operations = await step("Counting storage operations", "5 min", () => countAll(originPort));
  return { operations };
}

async function weighRecords() {
  const { encodings } = await import("../bench/encodings.mjs");
  return { encodings: await step("Measuring the size of stored sessions", "6 s", encodings) };
}

async function weighWasm() {
  const { weight } = await import("../bench/weight.mjs");
  return { weight: weight() };
}

/** @param {number} originPort */
async function measureStarts(originPort) {
  const { startTimes } = await import("../bench/starts.mjs");
  return { starts: await step("Measuring starts", "6 s", () => startTimes(originPort)) };
}

/**
 * @param {number} originPort
 * @param {Made} made
 */
async function measureAnchors(originPort, { rounds, seconds }) {
  const { anchors } = await import("../bench/anchors.mjs");
  return step(`Measuring the whole way in ${rounds} rounds`, minutes(rounds * 6 * seconds), () =>
    anchors(originPort, rounds, seconds),
  );
}

/** @param {number} seconds */
function minutes(seconds) {
  return `${Math.ceil(seconds / 60) + 1} min`;
}

/**
 * @param {Recorded} recorded
 * @param {{ anchors: boolean, scale: boolean }} only the option that replaced the parts
 */
async function printReport(recorded, only) {
  const { anchorsAsText } = await import("../bench/anchors.mjs");
  const { scaleAsText } = await import("../bench/scale-tables.mjs");
  if (only.scale) return print(`\n${scaleAsText(recorded.scale)}\n`);
  if (only.anchors) return print(`\n${anchorsAsText(recorded.anchors.table)}\n`);
  const { asText } = await import("../bench/report.mjs");
  const { goalsAsText } = await import("../bench/goals.mjs");
  const { messagesAsText } = await import("../bench/messages.mjs");
  const { operationsAsText } = await import("../bench/operation-tables.mjs");
  const { experimentAsText } = await import("../bench/experiment-tables.mjs");
  const { startsAsText } = await import("../bench/starts.mjs");
  print(`\n${asText(recorded.cost)}\n`);
  print(`${messagesAsText(recorded.messages.table)}\n`);
  print(`${operationsAsText(recorded)}\n`);
  print(`${experimentAsText("encodings", recorded)}\n`);
  print(`${startsAsText(recorded.starts)}\n`);
  print(`${goalsAsText(recorded)}\n`);
}
