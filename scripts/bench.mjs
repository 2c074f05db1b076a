/**
 * `npm run bench [-- --rounds 7 --seconds 3] [-- --only messages,starts] [-- --anchors | --native | --scale]`:
 * measures the cost of a request in several variants, and compares it with the goals.
 *
 * First processor time: each variant is a workerd of its own under the same load from wrk, one
 * connection count, in interleaved rounds; the figure is user and system time of the process over the
 * requests counted, as a ratio to the barest Worker. That is far steadier than requests per second.
 * Messages of WebSockets and event streams are measured the same way. Then it counts each variant's storage
 * operations under the profiles, and Cloudflare's price for them; the sizes of records and of the wasm; and
 * the time of a start. `--only` measures some of these again and keeps the recorded figures of the others
 * (with `--scale`: sessions, tenants, origins, sockets).
 *
 * `--anchors` measures the latency of the whole way instead, with nginx and HAProxy for comparison. `--native`
 * measures the core alone: instructions and allocations of its cases, with their bounds. `--scale` measures what
 * grows with sessions, tenants, servers and sockets: in rounds of 2 s, at most a quarter of an hour after the build.
 *
 * Writes bench/recorded.json; the tables of bench.md and experiments.md (docs/internals/), cost.md and scale.md
 * (docs/operate/); and bench.svg, goals.svg and scale.svg there. Everything without these three options
 * takes about 18 minutes.
 */
import { parseArgs } from "node:util";
import { benchNative } from "./bench-native.mjs";
import { build } from "./build.mjs";
import { ensureTools } from "./debian-tools.mjs";
import { Fault, main, print, step } from "./progress.mjs";

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

/** The measurements of `--scale`: see bench/scale.mjs. */
const SCALE_PARTS = ["sessions", "tenants", "origins", "sockets"];

await main(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      seconds: { type: "string" },
      only: { type: "string" },
      anchors: { type: "boolean", default: false },
      native: { type: "boolean", default: false },
      scale: { type: "boolean", default: false },
    },
  });
  const { anchors, scale, rounds, seconds = scale ? 2 : 3 } = values;
  const known = anchors ? [] : scale ? SCALE_PARTS : Object.keys(PARTS);
  const parts = values.only?.split(",") ?? known;
  const unknown = parts.filter((part) => !known.includes(part));
  if (unknown.length > 0) {
    throw new Fault(`Unknown: ${unknown.join(", ")}. Use some of: ${known.join(", ")}.`);
  }
  const { machine, record, recorded } = await import("../bench/recorded.mjs");
  if (values.native) return benchNative(machine());
  const made = { ...machine(), rounds: Number(rounds), seconds: Number(seconds) };
  await build();
  await ensureTools(anchors ? ["wrk", "nginx", "haproxy"] : ["wrk", "nginx"]);
  const { installPeers } = await import("../bench/bundle.mjs");
  if (!scale || parts.includes("sockets")) await installPeers();
  const { startOrigin } = await import("../bench/origin.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");

  const origin = await startOrigin();
  try {
    if (anchors) {
      record({ anchors: { made, table: await measureAnchors(origin.port, made) } });
    } else if (scale) {
      const { measureScale } = await import("../bench/scale.mjs");
      const before = recorded().scale;
      record({ scale: await measureScale(parts, origin.port, made, step, before) });
    } else {
      for (const part of parts) record(await PARTS[part](origin.port, made));
    }
  } finally {
    await origin.stop();
  }
  await printReport(recorded(), { anchors, scale });
  writeDocuments(recorded());
  print(
    "Results are in bench/recorded.json, the tables of docs/, and docs/internals/bench.svg, goals.svg and scale.svg.",
  );
});

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
