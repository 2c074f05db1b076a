/** Measures the core alone, and compares it with its bounds: `npm run bench -- --native`, and a part of a whole run. */
import { ensureTools } from "./debian-tools.mjs";
import { Fault, print, step } from "./progress.mjs";

/** @typedef {import("../bench/recorded.mjs").When} When */

/**
 * @param {When} where
 * @param {boolean} isRecorded whether to write bench/recorded.json and the tables of docs/internals/bench.md
 * @returns {Promise<number>} the exit code: 0 if every bound is met
 */
export async function benchNative(where, isRecorded) {
  const { isMet, piecesAsText } = await import("../bench/native.mjs");
  const { besideOthers, percent, refusal } = await import("../bench/other-load.mjs");
  const { record, recorded } = await import("../bench/recorded.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");
  const { result: native, others } = await besideOthers(() => measuredNatively(where));
  print(`  Meanwhile other programs used ${percent(others)} of the processors.`);
  print(`\n${piecesAsText(native.table)}\n`);
  const broken = native.table.filter((piece) => !isMet(piece)).length;
  print(
    broken === 0
      ? "Every bound is met."
      : `${broken} of ${native.table.length} bounds are exceeded.`,
  );
  if (isRecorded) {
    const why = refusal(others, "while the core was measured");
    if (why) throw new Fault(`Not recorded: ${why}`);
    record({ native });
    writeDocuments(recorded());
  }
  return broken === 0 ? 0 : 1;
}

/**
 * @param {When} where
 * @returns {Promise<import("../bench/recorded.mjs").Recorded["native"]>}
 */
export async function measuredNatively(where) {
  await ensureTools(["valgrind"]);
  const { built, compiler, pieces } = await import("../bench/native.mjs");
  const program = await step("Building the core natively", "2 min", built);
  const table = await step("Counting under callgrind", "1 min", async () => pieces(program));
  return { made: { ...where, compiler: compiler() }, table };
}
