/**
 * `npm run bench [-- --rounds 7 --seconds 3] [-- --anchors | --scale]`: what a request costs, side by side.
 *
 * First processor time: each variant is a workerd of its own under the same load from wrk, one
 * connection count, in interleaved rounds; the figure is user and system time of the process over the
 * requests counted, as a ratio to the barest Worker. That is far steadier than requests per second.
 * Then operations: what each asks of storage while it is used as the profiles say, and what Cloudflare
 * takes for that. With `--anchors` instead the latency of the whole way, beside nginx and HAProxy. With
 * `--scale` instead what grows with sessions, tenants, servers and sockets: in rounds of 2 s, in a quarter
 * of an hour at most once everything is built.
 *
 * Writes bench/recorded.json, the tables of docs/bench.md, docs/cost.md and docs/scale.md, docs/bench.svg
 * and docs/scale.svg.
 */
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { build } from "./build.mjs";
import { ensureTools } from "./debian-tools.mjs";
import { main, say, step } from "./progress.mjs";
import { ROOT } from "./setup.mjs";

await main(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      seconds: { type: "string" },
      anchors: { type: "boolean", default: false },
      scale: { type: "boolean", default: false },
    },
  });
  const { anchors, scale, rounds, seconds = scale ? 2 : 3 } = values;
  const made = { ...machine(), rounds: Number(rounds), seconds: Number(seconds) };
  await build();
  await ensureTools(anchors ? ["wrk", "nginx", "haproxy"] : ["wrk", "nginx"]);
  const { installPeers } = await import("../bench/bundle.mjs");
  if (!scale) await installPeers();
  const { startOrigin } = await import("../bench/origin.mjs");
  const { record, recorded } = await import("../bench/recorded.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");

  const origin = await startOrigin();
  try {
    if (anchors) {
      record({ anchors: { made, table: await measureAnchors(origin.port, made) } });
    } else if (scale) {
      const { measureScale } = await import("../bench/scale.mjs");
      record({ scale: await measureScale(origin.port, made, step) });
    } else {
      const cost = await measureProcessor(origin.port, made);
      record({ made, cost, operations: await countOperations(origin.port) });
    }
  } finally {
    await origin.stop();
  }
  await tell(recorded(), { anchors, scale });
  writeDocuments(recorded());
  say("Kept in bench/recorded.json, and in the tables of docs/bench.md, cost.md and scale.md.");
});

function machine() {
  const [{ model }] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return { date, machine: `${cpus().length} × ${model}` };
}

/**
 * @param {number} originPort
 * @param {import("../bench/recorded.mjs").Made} made
 */
async function measureProcessor(originPort, { rounds, seconds }) {
  const { processorTimes } = await import("../bench/processor.mjs");
  const { VARIANTS } = await import("../bench/variants.mjs");
  const { asPicture } = await import("../bench/report.mjs");
  const table = await step(
    `Measuring ${VARIANTS.length} variants in ${rounds} rounds`,
    minutes(rounds * VARIANTS.length * seconds),
    () => processorTimes(originPort, rounds, seconds),
  );
  writeFileSync(path.join(ROOT, "docs/bench.svg"), asPicture(table));
  return table;
}

/** @param {number} originPort */
async function countOperations(originPort) {
  const { countAll } = await import("../bench/operations.mjs");
  return step("Counting what each asks of storage", "5 min", () => countAll(originPort));
}

/**
 * @param {number} originPort
 * @param {import("../bench/recorded.mjs").Made} made
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
 * @param {import("../bench/recorded.mjs").Recorded} recorded
 * @param {{ anchors: boolean, scale: boolean }} only what was measured, if not the costs
 */
async function tell(recorded, only) {
  const { anchorsAsText } = await import("../bench/anchors.mjs");
  const { scaleAsText } = await import("../bench/scale-tables.mjs");
  if (only.scale) return say(`\n${scaleAsText(recorded.scale)}\n`);
  if (only.anchors) return say(`\n${anchorsAsText(recorded.anchors.table)}\n`);
  const { asText } = await import("../bench/report.mjs");
  const { operationsAsText } = await import("../bench/operation-tables.mjs");
  say(`\n${asText(recorded.cost)}\n`);
  say(`${operationsAsText(recorded)}\n`);
}
