/**
 * Compares writing a session before the response with writing after it: every request changes one of 500
 * sessions, and a write to the namespace takes 10 ms. `node bench/writes.mjs`.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { installPeers } from "./bundle.mjs";
import { experiment } from "./experiment.mjs";
import { startOrigin } from "./origin.mjs";
import { picture } from "./picture.mjs";
import { median, round } from "./quartiles.mjs";
import { machine } from "./recorded.mjs";
import { Variant } from "./variant.mjs";
import { cookiesOf } from "./variants.mjs";

const execute = promisify(execFile);

/**
 * The extent of a run. Of 500 sessions each changes about as often as a person types quickly; our objects are created first.
 * @typedef {{ rounds: number, seconds: number, sessions: number }} Extent
 */

/** @type {Extent} */
const USUAL = { rounds: 3, seconds: 4, sessions: 500 };
const QUICK = { rounds: 1, seconds: 1, sessions: 50 };

const CONNECTIONS = 10;

/** Duration of a write, in milliseconds. */
const PUT_MS = 10;

/** @typedef {import("./variant.mjs").Description & { kept: string }} Writer */

/** @type {Writer[]} */
const WRITERS = [
  {
    name: "hand-written JS, KV before",
    does: "waits for KV, then answers",
    kept: "in KV",
    peer: "hand-written.js",
    putMs: PUT_MS,
  },
  {
    name: "hand-written JS, KV after",
    does: "answers, then writes",
    kept: "no",
    peer: "hand-written.js",
    vars: { WRITES: "after" },
    putMs: PUT_MS,
  },
  {
    name: "Vestibule",
    does: "waits until the session's object has the change on disk; KV is written after",
    kept: "on an object's disk",
    putMs: PUT_MS,
  },
  {
    name: "Vestibule, memory for a disk",
    does: "the same with its objects on a disk in memory: what is left without the machine's disk",
    kept: "on an object's disk",
    disk: "/dev/shm",
    putMs: PUT_MS,
  },
  {
    name: "Vestibule, KV alone",
    does: "CONSISTENCY=eventual: answers, then writes",
    kept: "no",
    vars: { CONSISTENCY: "eventual" },
    putMs: PUT_MS,
  },
];

/** @typedef {{ average: number, p99: number, perSecond: number }} Load latency in milliseconds */
/** @typedef {Load & { name: string, kept: string, puts: number }} WriteRow `puts`: writes to KV per change */

await experiment(
  {
    file: import.meta.filename,
    does: "Compares writing a session before the response with writing after it.",
    takes: "2 minutes",
    tools: ["wrk", "nginx"],
    prepare: installPeers,
  },
  async (run) => {
    const extent = run.isQuick ? QUICK : USUAL;
    const table = await measure(run, extent);
    const { rounds, seconds } = extent;
    const made = { ...machine(), rounds, seconds };
    return { name: "writes", part: { writes: { made, table } }, picture: drawn(table) };
  },
);

/**
 * @param {import("./experiment.mjs").Run} run
 * @param {Extent} extent
 * @returns {Promise<WriteRow[]>}
 */
async function measure(run, extent) {
  const origin = await startOrigin();
  run.after(origin.stop);
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-writes-"));
  run.after(() => rmSync(folder, { recursive: true, force: true }));
  const variants = WRITERS.map((writer) => new Variant(writer));
  for (const variant of variants) run.after(() => variant.stop());
  /** @type {string[]} */
  const scripts = [];
  for (const [at, variant] of variants.entries()) {
    await variant.start(origin.port);
    scripts.push(path.join(folder, `${at}.lua`));
    writeFileSync(scripts[at], script(await begun(variant, extent.sessions)));
    await load(variant, scripts[at], 1);
  }
  /** @type {(Load & { puts: number })[][]} */
  const seen = variants.map(() => []);
  for (let turn = 0; turn < extent.rounds; turn += 1) {
    for (const [at, variant] of variants.entries()) {
      seen[at].push(await load(variant, scripts[at], extent.seconds));
    }
  }
  return WRITERS.map(({ name, kept }, at) => {
    const middle = (/** @type {keyof Load | "puts"} */ what) =>
      round(median(seen[at].map((one) => one[what])), 2);
    const [average, p99, perSecond] = [middle("average"), middle("p99"), middle("perSecond")];
    return { name, kept, average, p99, perSecond, puts: middle("puts") };
  });
}

/**
 * Begins sessions, each with its own data.
 * @param {Variant} variant
 * @param {number} count
 * @returns {Promise<string[]>} cookies
 */
async function begun(variant, count) {
  /** @type {string[]} */
  const cookies = [];
  const begin = async () => {
    while (cookies.length < count) {
      const response = await fetch(`${variant.url}/store`);
      await response.text();
      cookies.push(cookiesOf(response));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, begin));
  return cookies;
}

/** Writes the wrk script that uses one session after the other. @param {string[]} cookies */
function script(cookies) {
  return `local cookies = {${cookies.map((cookie) => JSON.stringify(cookie)).join(",")}}
local at = 0
request = function()
  at = at % #cookies + 1
  return wrk.format("GET", "/note", { ["Cookie"] = cookies[at] })
end
`;
}

/**
 * @param {Variant} variant
 * @param {string} script
 * @param {number} seconds
 */
async function load(variant, script, seconds) {
  await puts(variant);
  const args = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "--latency", "-s", script];
  const { stdout } = await execute("wrk", [...args, variant.url]);
  if (/Non-2xx|Socket errors/.test(stdout))
    throw new Error(`${variant.description.name}: ${stdout}`);
  const requests = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  return {
    average: milliseconds(stdout, "Latency"),
    p99: milliseconds(stdout, "99%"),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    puts: (await puts(variant)) / requests,
  };
}

/** Returns the number of writes to KV since the last call. @param {Variant} variant */
async function puts(variant) {
  const { writes } = await (await fetch(`${variant.kvUrl}/bench-counts`)).json();
  return writes;
}

/**
 * @param {string} text of wrk
 * @param {string} name
 */
function milliseconds(text, name) {
  const found = new RegExp(`^\\s+${name}\\s+([\\d.]+)(us|ms|s)\\b`, "m").exec(text);
  if (!found) throw new Error(`wrk tells no ${name}`);
  return Number(found[1]) * { us: 0.001, ms: 1, s: 1_000 }[/** @type {"us"} */ (found[2])];
}

/** @param {WriteRow[]} table */
function drawn(table) {
  /** @param {(row: WriteRow) => { value: number, text: string }} figure */
  const bars = (figure) =>
    table.map((row) => {
      /** @type {import("./picture.mjs").Tone} */
      const tone = row.name.startsWith("Vestibule") ? "ours" : "other";
      return { label: row.name, tone, ...figure(row) };
    });
  return picture(
    "Sessions written before the answer, or after",
    `Every request changes a session; a write to KV takes ${PUT_MS} ms; ${CONNECTIONS} connections.`,
    [
      {
        title: "Average latency: shorter is better",
        bars: bars(({ average, p99 }) => ({
          value: average,
          text: `${average.toFixed(1)} ms, p99 ${p99.toFixed(0)} ms`,
        })),
      },
      {
        title: "Changes a second: longer is better",
        bars: bars(({ perSecond }) => ({ value: perSecond, text: perSecond.toFixed(0) })),
      },
    ],
  );
}
