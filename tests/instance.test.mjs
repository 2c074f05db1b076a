/**
 * Shows that a trapped instance is replaced, and the next request is served. No known request causes a
 * trap, so the test causes one directly in the Worker's modules.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdge } from "./harness/edge-module.mjs";
import { freshKey } from "./harness/workerd.mjs";

test("a failed count or log line fails no request", async () => {
  const core = await loadEdge(`export * from "./instance.js";`);
  core.configure({
    SESSION_KEYS: freshKey(),
    ORIGINS: "http://127.0.0.1:9",
    SESSIONS: {},
    CONSISTENCY: "eventual",
  });
  const broken = new Proxy(
    {},
    {
      get() {
        throw new Error("broken");
      },
    },
  );
  for (const [name, act] of Object.entries({
    keepTrace: () => core.keepTrace(broken),
    observe: () => core.observe([broken]),
    recovered: () => core.recovered(broken, 0),
    takeIn: () => core.takeIn(broken, broken),
    warn: () => core.warn(broken),
  })) {
    const before = core.instances;
    assert.equal(act(), undefined, name);
    assert.equal(core.instances, before + 1, `${name} ended its instance`);
    assert.match(core.admit("GET\nhttp://localhost/", Date.now()), /^F/);
  }
});

test("a trap fails one request, and the next instance has the same settings", async () => {
  const core = await loadEdge(`export * from "./instance.js";`);
  const env = {
    SESSION_KEYS: freshKey(),
    ORIGINS: "http://127.0.0.1:9",
    SESSIONS: {},
    CONSISTENCY: "eventual",
  };
  const request = "GET\nhttp://localhost/";
  core.configure(env);
  assert.match(core.admit(request, Date.now()), /^F/);

  // A symbol is no text: the call enters the instance and leaves it by an exception.
  const trapped = core.admit(/** @type {any} */ (Symbol("no text")), Date.now());
  assert.match(trapped, /^A\n500\n[\s\S]*"code":"internal"/);

  assert.match(core.admit(request, Date.now()), /^F/);
});
