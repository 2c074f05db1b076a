/**
 * The platform's module for the Worker, which imports this one in its place: it also counts unfinished work. The
 * runtime ends without waiting for work after a response.
 */
import { waitUntil as waitUntilOfPlatform } from "cloudflare:workers";

// @ts-expect-error: its types are those of CommonJS.
export * from "cloudflare:workers";

/** Requests and background work that are not finished. */
let unfinished = 0;

/** Returns whether any work is left. */
export function isBusy() {
  return unfinished > 0;
}

/** Counts work until it is finished. @param {Promise<unknown>} work */
export function track(work) {
  unfinished += 1;
  const finish = () => {
    unfinished -= 1;
  };
  work.then(finish, finish);
}

/** @param {Promise<unknown>} work */
export function waitUntil(work) {
  track(work);
  waitUntilOfPlatform(work);
}
