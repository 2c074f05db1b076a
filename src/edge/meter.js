/**
 * What this isolate has under way at each origin: requests without an answer yet, and the streams and
 * sockets it follows. Counted here, because it changes with every request; told to the core now and
 * then, because that costs a call.
 */
import { observe } from "./core.js";

/** How often the core is told, in milliseconds. */
const TELL_EVERY = 250;

/** @type {Map<string, number>} by the origin's name */
const underWay = new Map();

let isTold = true;
let toldAt = 0;

/** @param {string} origin */
export function begin(origin) {
  underWay.set(origin, (underWay.get(origin) ?? 0) + 1);
  isTold = false;
}

/** @param {string} origin */
export function end(origin) {
  underWay.set(origin, (underWay.get(origin) ?? 1) - 1);
  isTold = false;
}

/** Tells the core what has changed, unless it was told a moment ago. */
export function tell() {
  if (isTold) return;
  const now = Date.now();
  if (now - toldAt < TELL_EVERY) return;
  toldAt = now;
  isTold = true;
  observe([...underWay].map(([origin, count]) => `${origin}\t${count}`).join("\n"));
}
