/** The parts of `npm run bench`, and the report of what they measured. Packages are imported once they are installed. */
import { print, step } from "./progress.mjs";

/** @typedef {import("../bench/recorded.mjs").Made} Made */
/** @typedef {import("../bench/recorded.mjs").Recorded} Recorded */

/** Number of fresh processes of each variant for each round. */
const YOUNG_PER_ROUND = 4;

/**
 * The measurements, in their order; their results are recorded.
 * @type {Record<string, (originPort: number, made: Made) => Promise<Partial<Recorded>>>}
 */
export const PARTS = {
  processor: measureProcessor,
  young: measureYoung,
  messages: measureMessages,
  starts: measureStarts,
  native: measureNative,
  operations: countOperations,
  records: weighRecords,
  wasm: weighWasm,
};

/** Those whose figures depend on the machine's load. */
export const TIMED = ["processor", "young", "messages", "starts", "native"];

/**
 * @param {number} originPort
 * @param {Made} made
 */
async function measureProcessor(originPort, made) {
  const { rounds, seconds } = made;
  const { processorTimes, warmUpBefore } = await import("../bench/processor.mjs");
  const { VARIANTS } = await import("../bench/variants.mjs");
  const cost = await step(
    `Measuring ${VARIANTS.length} variants in ${rounds} rounds`,
    minutes(VARIANTS.length * (warmUpBefore(seconds) + rounds * seconds)),
    () => processorTimes(originPort, rounds, seconds),
  );
  return { made, cost };
}

/**
 * @param {number} originPort
 * @param {Made} made
 */
async function measureYoung(originPort, made) {
  const { youngTimes } = await import("../bench/young.mjs");
  const starts = made.rounds * YOUNG_PER_ROUND;
  const young = await step(`Measuring ${starts} young isolates of each`, minutes(2 * starts), () =>
    youngTimes(originPort, starts),
  );
  return { young: { made, ...young } };
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
    minutes((rounds + 1) * CASES.length * (seconds + 1)),
    () => messageTimes(rounds, seconds),
  );
  return { messages: { made, table } };
}

/**
 * @param {number} originPort
 * @param {Made} made
 */
async function measureStarts(originPort, made) {
  const { startTimes } = await import("../bench/starts.mjs");
  const starts = await step("Measuring starts", "10 s", () => startTimes(originPort));
  return { starts: { made, ...starts } };
}

/**
 * @param {number} _
 * @param {Made} made
 */
async function measureNative(_, { date, machine }) {
  const { measuredNatively } = await import("./bench-native.mjs");
  return { native: await measuredNatively({ date, machine }) };
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

/**
 * @param {number} originPort
 * @param {Made} made
 */
export async function measureAnchors(originPort, { rounds, seconds }) {
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
 * Prints the figures of some parts, and compares all that was recorded with the goals.
 * @param {Recorded} recorded
 * @param {string[]} parts
 */
export async function printReport(recorded, parts) {
  const { anchorsAsText } = await import("../bench/anchors.mjs");
  const { costAsText } = await import("../bench/report.mjs");
  const { experimentAsText } = await import("../bench/experiment-tables.mjs");
  const { goalsAsText } = await import("../bench/goals.mjs");
  const { messagesAsText } = await import("../bench/messages.mjs");
  const { operationsAsText } = await import("../bench/operation-tables.mjs");
  const { piecesAsText } = await import("../bench/native.mjs");
  const { scaleAsText } = await import("../bench/scale-tables.mjs");
  const { startsAsText } = await import("../bench/starts.mjs");
  const { youngAsText } = await import("../bench/young.mjs");
  /** @type {Record<string, () => string>} */
  const texts = {
    processor: () => costAsText(recorded.cost),
    young: () => youngAsText(recorded.young),
    messages: () => messagesAsText(recorded.messages.table),
    starts: () => startsAsText(recorded.starts),
    native: () => piecesAsText(recorded.native.table),
    operations: () => operationsAsText(recorded),
    records: () => experimentAsText("encodings", recorded),
    anchors: () => anchorsAsText(recorded.anchors.table),
    scale: () => scaleAsText(recorded.scale),
  };
  for (const part of parts) if (part in texts) print(`\n${texts[part]()}`);
  print(parts.some((part) => part in PARTS) ? `\n${goalsAsText(recorded)}\n` : "");
}
