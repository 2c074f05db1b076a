/**
 * Measures the session engine's cost, and how fast a revocation takes effect, on real workerd with two
 * locations: `node bench/engine.mjs`. Prints the figures of docs/internals/session-engine.md.
 */
import { Browser } from "../tests/harness/browser.mjs";
import { Origin } from "../tests/harness/origin.mjs";
import { until } from "../tests/harness/until.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { experiment } from "./experiment.mjs";

/** Delay after which the second location sees a write, in milliseconds. */
const LAG = 10_000;
const QUICK_LAG = 2_000;

/** @typedef {import("./experiment.mjs").Run} Run */

/**
 * @param {Run} run
 * @param {string} consistency
 */
async function start(run, consistency) {
  const origin = await Origin.start(run, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end("ok");
  });
  return Vestibule.start(run, {
    origins: [origin.url],
    vars: { CONSISTENCY: consistency },
    lags: [0, run.isQuick ? QUICK_LAG : LAG],
  });
}

/** @param {unknown} value */
const patch = (value) => `/?x-session-patch=${encodeURIComponent(JSON.stringify(value))}`;

/**
 * Counts operations of a thousand requests with one session and an empty cache.
 * @param {Run} run
 * @param {string} consistency
 */
async function measureOperations(run, consistency) {
  const vestibule = await start(run, consistency);
  const browser = new Browser(vestibule.url);
  await browser.fetch(patch({ a: 1 }));
  await until(() => vestibule.kv.count("put") > 0);
  await vestibule.restart();
  vestibule.kv.operations.length = 0;
  for (let round = 0; round < 1_000; round += 1) await (await browser.fetch("/")).text();
  const { kv } = vestibule;
  const lists = consistency === "eventual" ? `, ${kv.count("list")} lists` : "";
  console.log(`  1,000 requests: ${kv.count("get")} reads, ${kv.count("put")} writes${lists}`);
  await vestibule.stop();
}

/**
 * Measures the revocation of a hundred sessions, used in both locations.
 * @param {Run} run
 * @param {string} consistency
 */
async function measureRevocation(run, consistency) {
  const vestibule = await start(run, consistency);
  const [here, there] = vestibule.urls;
  const count = run.isQuick ? 10 : 100;
  const trials = Array.from({ length: count }, async (_, trial) => {
    const browser = new Browser(here);
    await browser.fetch(patch({ a: 1 }));
    const headers = { cookie: browser.cookie };
    const status = async () => {
      const response = await fetch(there, { headers });
      await response.text();
      return response.status;
    };
    await until(async () => (await status()) === 200, { within: 60_000 });
    // Spread over two cache periods, so that the ends do not coincide with the feed's polls.
    const moment = Date.now() + trial * 100;
    await until(async () => (await status()) === 200 && Date.now() > moment, { within: 60_000 });
    await browser.fetch("/_session/logout", { method: "POST" });
    const ended = Date.now();
    await until(async () => (await status()) === 401, { within: 120_000 });
    return Date.now() - ended;
  });
  const times = (await Promise.all(trials)).sort((a, b) => a - b);
  const [median, worst] = [times[count / 2], times[count - 1]];
  console.log(`  revocation elsewhere, ${count} trials: median ${median} ms, worst ${worst} ms`);
  await vestibule.stop();
}

/**
 * Counts lost changes of concurrent changes from two locations.
 * @param {Run} run
 * @param {string} consistency
 */
async function measureLosses(run, consistency) {
  const vestibule = await start(run, consistency);
  const [here] = vestibule.urls;
  const first = new Browser(here);
  await first.fetch(patch({ a: 1 }));
  let kept = 0;
  await Promise.all(
    Array.from({ length: 20 }, async (_, worker) => {
      const tab = new Browser(vestibule.urls[worker % 2]);
      tab.jar.set("vestibule-session", first.session);
      for (let number = 0; number < (run.isQuick ? 10 : 100); number += 1) {
        const response = await tab.fetch(patch({ [`m${worker}-${number}`]: 1 }));
        kept += Number(response.status === 200);
        await response.text();
      }
    }),
  );
  // All work is done once the namespace gets no more writes.
  const { kv } = vestibule;
  const quiet = () => Date.now() - (kv.operations.findLast((one) => one.op === "put")?.at ?? 0);
  await until(() => quiet() > 3_000, { within: 60_000 });
  const reader = new Browser(here);
  reader.jar.set("vestibule-session", first.session);
  await vestibule.restart();
  const { data } = await reader.json("/_session/me");
  const found = Object.keys(data ?? {}).filter((name) => name.startsWith("m")).length;
  console.log(`  ${kept} changes told kept, from two locations: ${kept - found} lost`);
  await vestibule.stop();
}

await experiment(
  {
    file: import.meta.filename,
    does: "Counts the session engine's operations and losses, and times a revocation in another location.",
    takes: "3 minutes",
  },
  async (run) => {
    for (const consistency of ["strong", "eventual"]) {
      console.log(`\nCONSISTENCY = ${consistency}`);
      await measureOperations(run, consistency);
      await measureRevocation(run, consistency);
      await measureLosses(run, consistency);
    }
  },
);
