/** Tests writes after the response, in Node: the module itself, and the instance that gets the values. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdge } from "../harness/edge-module.mjs";
import { freshKey } from "../harness/workerd.mjs";

/** Maximum number of kept keys. */
const MAX_KEYS = 1_000;

test("a write dropped because too many are pending is logged", async (t) => {
  const edge = await loadEdge(
    'export { configure } from "./instance.js"; export { storeLater } from "./background_writes.js";',
  );
  const { mock } = t.mock.method(console, "warn", () => {});
  // Storage never responds, and no deadline ends the wait.
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const SESSIONS = { put: () => new Promise(() => {}) };
  const bindings = { SESSION_KEYS: freshKey(), ORIGINS: "http://127.0.0.1:9", SESSIONS };
  edge.configure({ ...bindings, CONSISTENCY: "eventual" });
  const store = (/** @type {number} */ n) => edge.storeLater(`key ${n}`, new Uint8Array(1), 60);
  for (let n = 0; n < MAX_KEYS; n += 1) store(n);
  // A later value replaces the one before.
  store(0);
  assert.equal(mock.callCount(), 0);
  store(MAX_KEYS);
  store(MAX_KEYS + 1);
  // The log line follows after the call that detected it has returned.
  await new Promise((resolve) => setImmediate(resolve));
  const events = mock.calls.map(({ arguments: [line] }) => JSON.parse(line).event);
  assert.deepEqual(events, ["background_write_dropped", "background_write_dropped"]);
});
