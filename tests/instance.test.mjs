/**
 * A trapped instance is replaced, and the next request is served. No request can cause a trap that
 * we know of, so it is caused from behind, in the very modules the Worker is built from.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadEdge } from "./harness/edge-module.mjs";
import { freshKey } from "./harness/workerd.mjs";

test("a trap costs one request, and the instance that follows knows its settings", async () => {
  const core = await loadEdge(`export * from "./core.js"; export * as glue from "vestibule-core";`);
  const env = {
    SESSION_KEYS: freshKey(),
    ORIGINS: "http://127.0.0.1:9",
    SESSIONS: {},
    CONSISTENCY: "eventual",
  };
  const request = "GET\nhttp://localhost/";
  core.configure(env);
  assert.match(core.admit(request), /^F/);

  const found = core.glue.Answers.prototype.found;
  core.glue.Answers.prototype.found = () => {
    // An instruction that traps: reading far outside the instance's memory.
    found.call({ __wbg_ptr: 0x7fff_fff0 }, "key", new Uint8Array(1));
  };
  const trapped = core.admitWith(request, [{ kind: "found", key: "key", bytes: new Uint8Array() }]);
  assert.match(trapped, /^A\n500\n[\s\S]*"code":"internal"/);

  core.glue.Answers.prototype.found = found;
  assert.match(core.admit(request), /^F/);
  assert.match(core.admitWith(request, []), /^F/);
});
