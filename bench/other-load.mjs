/**
 * Measures how busy other programs keep the machine during a measurement, and decides whether it may be recorded.
 * Authority: proc(5), `/proc/stat` and `/proc/PID/stat`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * Maximum share of all processors that other programs may use during a measurement that is recorded. Above it they
 * compete with the load for caches and processors, and the rounds scatter.
 */
export const MAX_OTHERS = 0.05;

/** Duration of the look before a recorded run, in milliseconds. */
const LOOK_MS = 3_000;

/** @typedef {{ all: number, busy: number, own: number }} Ticks of all processors so far: in all, busy, and by us */

/**
 * Runs a measurement and returns the share of all processors that other programs used meanwhile.
 * @template T
 * @param {() => Promise<T>} measure
 * @returns {Promise<{ result: T, others: number }>}
 */
export async function besideOthers(measure) {
  const before = ticks();
  const result = await measure();
  return { result, others: othersBetween(before, ticks()) };
}

/** Returns the share that other programs use now, before anything is measured. */
export async function othersNow() {
  return (await besideOthers(() => pause(LOOK_MS))).others;
}

/**
 * @param {Ticks} before
 * @param {Ticks} after
 */
export function othersBetween(before, after) {
  const passed = (/** @type {keyof Ticks} */ what) => after[what] - before[what];
  if (passed("all") <= 0) return 0;
  return Math.max(0, passed("busy") - passed("own")) / passed("all");
}

/**
 * Returns why a measurement is not recorded; nothing if it may be.
 * @param {number} others
 * @param {string} what
 * @returns {string | undefined}
 */
export function refusal(others, what) {
  if (others <= MAX_OTHERS) return undefined;
  return (
    `Other programs used ${percent(others)} of the processors ${what}; at most ${percent(MAX_OTHERS)} may be recorded. ` +
    "Find them with `top`, end them or wait, and start again."
  );
}

/** @param {number} share */
export function percent(share) {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

/** @returns {Ticks} */
export function ticks() {
  const stats = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => textOf(`/proc/${pid}/stat`));
  return { ...machineTicks(readFileSync("/proc/stat", "utf8")), own: ownTicks(stats, process.pid) };
}

/** A process may have ended since it was listed. @param {string} file @returns {string[]} */
function textOf(file) {
  try {
    return [readFileSync(file, "utf8")];
  } catch {
    return [];
  }
}

/**
 * Reads the first line of `/proc/stat`. Interrupts do not count as busy, because the kernel serves our own
 * connections in them. What the host took away ("steal") does.
 * @param {string} stat
 */
export function machineTicks(stat) {
  const numbers = stat.split("\n", 1)[0].trim().split(/ +/).slice(1, 9).map(Number);
  const [user, nice, system, , , , , steal = 0] = numbers;
  return { all: numbers.reduce((sum, one) => sum + one, 0), busy: user + nice + system + steal };
}

/**
 * Sums the time of a process and its descendants, with those that ended and were waited for.
 * @param {string[]} stats texts of `/proc/PID/stat`
 * @param {number} root
 */
export function ownTicks(stats, root) {
  const processes = stats.map((text) => {
    const rest = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const time = [11, 12, 13, 14].reduce((sum, at) => sum + Number(rest[at]), 0);
    return { pid: Number.parseInt(text, 10), parent: Number(rest[1]), time };
  });
  const family = new Set([root]);
  for (let known = 0; known !== family.size; ) {
    known = family.size;
    for (const { pid, parent } of processes) if (family.has(parent)) family.add(pid);
  }
  return processes.reduce((sum, { pid, time }) => sum + (family.has(pid) ? time : 0), 0);
}
