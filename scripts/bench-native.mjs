/** `npm run bench -- --native`: measures the core alone, and compares it with its bounds. */
import { ensureTools } from "./debian-tools.mjs";
import { print, step } from "./progress.mjs";

/**
 * @param {{ date: string, machine: string }} where
 * @param {boolean} isRecorded whether to write bench/recorded.json and the table of docs/internals/bench.md
 * @returns {Promise<number>} the exit code: 0 if every bound is met
 */
export async function benchNative(where, isRecorded) {
  await ensureTools(["valgrind"]);
  const { built, compiler, isMet, pieces, piecesAsText } = await import("../bench/native.mjs");
  const { record, recorded } = await import("../bench/recorded.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");
  const program = await step("Building the core natively", "2 min", built);
  const table = await step("Counting under callgrind", "30 s", () => pieces(program));
  if (isRecorded) {
    record({ native: { made: { ...where, compiler: compiler() }, table } });
    writeDocuments(recorded());
  }
  print(`\n${piecesAsText(table)}\n`);
  const broken = table.filter((piece) => !isMet(piece)).length;
  print(broken === 0 ? "Every bound is met." : `${broken} of ${table.length} bounds are exceeded.`);
  return broken === 0 ? 0 : 1;
}
