/**
 * Measures the time from a start to the first response: a process is started repeatedly, and gets a request as
 * soon as it listens. A Worker's own clock does not advance while it computes, so time is measured outside. The
 * process's start is the same for both Workers, and both have the same objects and files bound; only the
 * difference matters.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { Browser } from "../tests/harness/browser.mjs";
import { KvServer } from "../tests/harness/kv.mjs";
import { until } from "../tests/harness/until.mjs";
import { WORKERD } from "../tests/harness/workerd.mjs";
import { median, quartiles, round } from "./quartiles.mjs";
import { aligned, markdown } from "./report.mjs";
import { Variant } from "./variant.mjs";

/** Number of starts of each. */
const STARTS = 21;

const BARE = {
  name: "bare JS, the same bindings",
  does: "forwards, nothing else",
  peer: "bound.js",
  bound: true,
};

const OURS = { name: "Vestibule", does: "a stranger's first request" };

/** Its first request is that of a visitor whose session an earlier process stored. */
const RETURNED = { name: "Vestibule, a stored session", does: "a known visitor's first request" };

/** @typedef {{ listening: number, first: number, all: number }} Start in milliseconds: until it listens, the first request, both */
/** @typedef {Start & { name: string }} StartRow medians */

/**
 * @typedef {object} Starts
 * @property {StartRow[]} table
 * @property {Start} more additional time of ours: medians of the differences, start by start
 * @property {{ low: number, high: number }} spread quartiles of those of `all`
 */

/**
 * @param {number} originPort
 * @returns {Promise<Starts>}
 */
export async function startTimes(originPort) {
  const kv = new KvServer();
  const namespace = `127.0.0.1:${await kv.listening()}`;
  const descriptions = [BARE, OURS, { ...RETURNED, namespace }];
  const variants = descriptions.map((description) => new Variant(description));
  try {
    const files = [];
    for (const variant of variants) files.push(await variant.prepare(originPort));
    const cookie = await storedSession(files[2], variants[2].url, kv);
    /** @type {Start[][]} */
    const seen = variants.map(() => []);
    // One uncounted start reads the files from disk.
    for (let turn = -1; turn < STARTS; turn += 1) {
      for (const [at, variant] of variants.entries()) {
        const port = Number(new URL(variant.url).port);
        const one = await start(files[at], port, at === 2 ? cookie : "");
        if (turn >= 0) seen[at].push(one);
      }
    }
    return compared(seen);
  } finally {
    for (const variant of variants) variant.stop();
    await kv.stop();
  }
}

/**
 * Lets a process store a session, and ends it.
 * @param {string} file
 * @param {string} url
 * @param {KvServer} kv
 * @returns {Promise<string>} the visitor's cookie
 */
export async function storedSession(file, url, kv) {
  const visitor = new Browser(url);
  const stored = () => [...kv.stored.keys()].filter((key) => key.startsWith("s:")).length;
  const before = stored();
  await started(file, async () => {
    await visitor.fetch("/store");
    await until(() => stored() > before, { what: "the stored session" });
  });
  return visitor.cookie;
}

/** @param {Start[][]} seen the bare Worker's, ours, and ours with a stored session */
function compared([bare, ours, returned]) {
  const middle = (/** @type {Start[]} */ starts) => ({
    listening: round(median(starts.map(({ listening }) => listening)), 1),
    first: round(median(starts.map(({ first }) => first)), 1),
    all: round(median(starts.map(({ all }) => all)), 1),
  });
  const differences = ours.map((one, at) => ({
    listening: one.listening - bare[at].listening,
    first: one.first - bare[at].first,
    all: one.all - bare[at].all,
  }));
  const { low, high } = quartiles(differences.map(({ all }) => all));
  return {
    table: [
      { name: BARE.name, ...middle(bare) },
      { name: OURS.name, ...middle(ours) },
      { name: RETURNED.name, ...middle(returned) },
    ],
    more: middle(differences),
    spread: { low: round(low, 1), high: round(high, 1) },
  };
}

/**
 * @param {string} file
 * @param {number} port
 * @param {string} cookie of the first request
 * @returns {Promise<Start>}
 */
async function start(file, port, cookie) {
  const begun = performance.now();
  let [listening, all] = [0, 0];
  await started(file, async () => {
    listening = performance.now() - begun;
    await ask(port, cookie);
    all = performance.now() - begun;
  });
  return { listening, first: all - listening, all };
}

/**
 * Starts a process, acts as soon as it listens, and ends it.
 * @param {string} file
 * @param {(pid: number) => Promise<void>} act
 */
export async function started(file, act) {
  const child = spawn(WORKERD, ["serve", file, "--control-fd=3"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const gone = once(child, "exit");
  try {
    await listens(/** @type {import("node:stream").Readable} */ (child.stdio[3]));
    await act(child.pid ?? 0);
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

/**
 * @param {import("node:stream").Readable} control workerd's control messages, a line of JSON for each socket
 * @returns {Promise<void>}
 */
function listens(control) {
  let printed = "";
  return new Promise((resolve, reject) => {
    control.on("data", (chunk) => {
      printed += chunk;
      if (/"socket":"http"/.test(printed)) resolve();
    });
    control.on("end", () => reject(new Error(`workerd does not listen: ${printed}`)));
  });
}

/** Sends one request without an HTTP client library. @param {number} port @param {string} cookie */
async function ask(port, cookie) {
  const socket = connect(port, "127.0.0.1");
  const line = cookie && `Cookie: ${cookie}\r\n`;
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${line}Connection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  if (!/^HTTP\/1\.1 200/.test(answer)) throw new Error(`the first request is answered ${answer}`);
  if (cookie && /set-cookie/i.test(answer)) throw new Error(`the session is unknown: ${answer}`);
}

const HEAD = ["milliseconds", "until it listens", "first request", "in all"];

/** @param {Starts} starts */
function body({ table, more }) {
  const ms = (/** @type {Start} */ { listening, first, all }) =>
    [listening, first, all].map((value) => value.toFixed(1));
  return [
    ...table.map((row) => [row.name, ...ms(row)]),
    ["longer, median of differences", ...ms(more)],
  ];
}

/** @param {Starts} starts */
export function startsInMarkdown(starts) {
  return markdown(HEAD, body(starts));
}

/** @param {Starts} starts */
export function startsAsText(starts) {
  return aligned(HEAD, body(starts));
}
