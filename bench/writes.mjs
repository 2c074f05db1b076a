/**
 * Compares writing a session before the response with writing after it: every request changes one of 500
 * sessions, and a write to the namespace takes 10 ms. `node bench/writes.mjs`, 2 minutes; fills in
 * docs/internals/experiments.md and draws docs/internals/writes.svg.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { concluded } from "./concluded.mjs";
import { startOrigin } from "./origin.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";
import { median, round } from "./report.mjs";
import { Variant } from "./variant.mjs";
import { cookiesOf } from "./variants.mjs";

const execute = promisify(execFile);

const ROUNDS = 3;
const SECONDS = 4;
const CONNECTIONS = 10;

/** Number of sessions. Each changes about as often as a person types quickly; our objects are created first. */
const SESSIONS = 500;

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

const origin = await startOrigin();
try {
  const table = await measure(origin.port);
  const made = { ...machine(), rounds: ROUNDS, seconds: SECONDS };
  concluded("writes", { writes: { made, table } }, drawn(table));
} finally {
  await origin.stop();
}

/**
 * @param {number} originPort
 * @returns {Promise<WriteRow[]>}
 */
async function measure(originPort) {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-writes-"));
  const variants = WRITERS.map((writer) => new Variant(writer));
  try {
    /** @type {string[]} */
    const scripts = [];
    for (const [at, variant] of variants.entries()) {
      await variant.start(originPort);
      scripts.push(path.join(folder, `${at}.lua`));
      writeFileSync(scripts[at], script(await sessions(variant)));
      await load(variant, scripts[at], 1);
    }
    /** @type {(Load & { puts: number })[][]} */
    const seen = variants.map(() => []);
    for (let turn = 0; turn < ROUNDS; turn += 1) {
      for (const [at, variant] of variants.entries()) {
        seen[at].push(await load(variant, scripts[at], SECONDS));
      }
    }
    return WRITERS.map(({ name, kept }, at) => {
      const middle = (/** @type {keyof Load | "puts"} */ what) =>
        round(median(seen[at].map((one) => one[what])), 2);
      const [average, p99, perSecond] = [middle("average"), middle("p99"), middle("perSecond")];
      return { name, kept, average, p99, perSecond, puts: middle("puts") };
    });
  } finally {
    for (const variant of variants) variant.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Begins the sessions, each with its own data. @param {Variant} variant @returns {Promise<string[]>} cookies */
async function sessions(variant) {
  /** @type {string[]} */
  const cookies = [];
  const begin = async () => {
    while (cookies.length < SESSIONS) {
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
