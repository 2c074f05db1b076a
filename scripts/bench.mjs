/**
 * `npm run bench [-- --rounds 7 --seconds 3]`: processor time per request, side by side.
 *
 * Each variant is a workerd of its own under the same load from wrk, one connection count, in
 * interleaved rounds; the figure is user and system time of the process over the requests counted,
 * as a ratio to the barest Worker. That is far steadier than requests per second.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { build } from "./build.mjs";
import { Fault, main, say, step } from "./progress.mjs";
import { output, run } from "./run.mjs";
import { ROOT } from "./setup.mjs";

const execute = promisify(execFile);

await main(async () => {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "7" },
      seconds: { type: "string", default: "3" },
    },
  });
  await build();
  await ensureTools();
  const { installPeers } = await import("../bench/bundle.mjs");
  await installPeers();
  const { startOrigin } = await import("../bench/origin.mjs");
  const { Variant } = await import("../bench/variant.mjs");
  const { VARIANTS } = await import("../bench/variants.mjs");
  const { asPicture, asText, rows } = await import("../bench/report.mjs");

  const origin = await startOrigin();
  const variants = VARIANTS.map((description) => new Variant(description));
  try {
    for (const variant of variants) await variant.start(origin.port);
    const rounds = Number(values.rounds);
    const minutes = Math.ceil((rounds * variants.length * Number(values.seconds)) / 60) + 1;
    await step(
      `Measuring ${variants.length} variants in ${rounds} rounds`,
      `${minutes} min`,
      async () => {
        for (const variant of variants) await load(variant, 1);
        for (let round = 0; round < rounds; round += 1) {
          for (const variant of variants) await measure(variant, Number(values.seconds));
        }
      },
    );
  } finally {
    for (const variant of variants) variant.stop();
    await origin.stop();
  }
  const table = rows(variants);
  say(`\n${asText(table)}\n`);
  writeFileSync(path.join(ROOT, "docs/bench.svg"), asPicture(table));
  writeFileSync(path.join(ROOT, "target/bench.json"), JSON.stringify(table, null, 2));
  say("Picture: docs/bench.svg");
});

/**
 * @param {import("../bench/variant.mjs").Variant} variant
 * @param {number} seconds
 */
async function measure(variant, seconds) {
  const before = variant.processorTime;
  const { requests, perSecond } = await load(variant, seconds);
  variant.cost.push((variant.processorTime - before) / requests);
  variant.throughput.push(perSecond);
}

/**
 * @param {import("../bench/variant.mjs").Variant} variant
 * @param {number} seconds
 */
async function load(variant, seconds) {
  const { stdout } = await execute("wrk", ["-t1", "-c32", `-d${seconds}s`, ...variant.load]);
  const expected = variant.description.status ?? 200;
  if (/Non-2xx/.test(stdout) !== expected >= 400)
    throw new Fault(`${variant.description.name}: ${stdout}`);
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
  };
}

async function ensureTools() {
  const missing = ["wrk", "nginx"].filter((tool) => output("which", [tool]) === null);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => (tool === "nginx" ? "nginx-light" : tool));
  if (process.getuid?.() !== 0 || output("apt-get", ["--version"]) === null) {
    throw new Fault(`The benchmark needs ${missing.join(" and ")}; install: ${packages.join(" ")}`);
  }
  await step(`Installing ${packages.join(" and ")}`, "20 s", async () => {
    await run("apt-get", ["update", "-qq"]);
    await run("apt-get", ["install", "-y", "-qq", ...packages], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  });
}
