/**
 * Measures the time from a start to the first response: a process is started repeatedly, and gets a request as
 * soon as it listens. A Worker's own clock does not advance while it computes, so time is measured outside. The
 * process's start is the same for both Workers, and both have the same objects and files bound; only the
 * difference matters.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { WORKERD } from "../tests/harness/workerd.mjs";
import { aligned, markdown, median, round } from "./report.mjs";
import { Variant } from "./variant.mjs";

/** Number of starts of each. */
const STARTS = 15;

const BARE = {
  name: "bare JS, the same bindings",
  does: "forwards, nothing else",
  peer: "bound.js",
  bound: true,
};

/** The first request is a new visitor's, because no visitor can have come before. */
const OURS = { name: "Vestibule", does: "a stranger's first request" };

/** @typedef {{ listening: number, first: number, all: number }} Start in milliseconds: until it listens, the first request, both */
/** @typedef {Start & { name: string }} StartRow medians */

/**
 * @typedef {object} Starts
 * @property {StartRow[]} table
 * @property {Start} more additional time of ours: medians of the differences, start by start
 * @property {{ least: number, most: number }} spread of those of `all`, between the quartiles
 */

/**
 * @param {number} originPort
 * @returns {Promise<Starts>}
 */
export async function startTimes(originPort) {
  const variants = [BARE, OURS].map((description) => new Variant(description));
  try {
    const files = [];
    for (const variant of variants) files.push(await variant.prepare(originPort));
    /** @type {Start[][]} */
    const seen = variants.map(() => []);
    // One uncounted start reads the files from disk.
    for (let turn = -1; turn < STARTS; turn += 1) {
      for (const [at, variant] of variants.entries()) {
        const one = await start(files[at], Number(new URL(variant.url).port));
        if (turn >= 0) seen[at].push(one);
      }
    }
    return compared(seen);
  } finally {
    for (const variant of variants) variant.stop();
  }
}

/** @param {Start[][]} seen the bare Worker's, and ours */
function compared([bare, ours]) {
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
  const sorted = differences.map(({ all }) => all).sort((a, b) => a - b);
  const quarter = Math.floor(sorted.length / 4);
  return {
    table: [
      { name: BARE.name, ...middle(bare) },
      { name: OURS.name, ...middle(ours) },
    ],
    more: middle(differences),
    spread: { least: round(sorted[quarter], 1), most: round(sorted.at(-1 - quarter) ?? 0, 1) },
  };
}

/**
 * @param {string} file
 * @param {number} port
 * @returns {Promise<Start>}
 */
async function start(file, port) {
  const begun = performance.now();
  const child = spawn(WORKERD, ["serve", file, "--control-fd=3"], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const gone = once(child, "exit");
  try {
    await listens(/** @type {import("node:stream").Readable} */ (child.stdio[3]));
    const listening = performance.now() - begun;
    await ask(port);
    const all = performance.now() - begun;
    return { listening, first: all - listening, all };
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

/** Sends one request without an HTTP client library. @param {number} port */
async function ask(port) {
  const socket = connect(port, "127.0.0.1");
  socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket) answer += chunk;
  if (!/^HTTP\/1\.1 200/.test(answer)) throw new Error(`the first request is answered ${answer}`);
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
