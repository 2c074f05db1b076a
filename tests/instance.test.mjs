/**
 * A trapped instance is replaced, and the next request is served. No request can cause a trap that
 * we know of, so it is caused from behind, in the very modules the Worker is built from.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { freshKey } from "./harness/workerd.mjs";

const ROOT = path.resolve(import.meta.dirname, "..");

/** `core.js` with its glue, and the wasm as the module workerd would hand it. */
async function loadCore() {
  const wasm = readFileSync(path.join(ROOT, "build/index_bg.wasm")).toString("base64");
  const { outputFiles } = await build({
    stdin: {
      contents: `export * from "./core.js"; export * as glue from "vestibule-core";`,
      resolveDir: path.join(ROOT, "src/edge"),
    },
    bundle: true,
    format: "esm",
    write: false,
    alias: { "vestibule-core": path.join(ROOT, "target/edge/vestibule.js") },
    plugins: [
      {
        name: "wasm-module",
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /\.wasm$/ }, () => ({ path: "wasm", namespace: "wasm" }));
          onLoad({ filter: /.*/, namespace: "wasm" }, () => ({
            contents: `export default new WebAssembly.Module(Buffer.from("${wasm}", "base64"));`,
          }));
        },
      },
    ],
  });
  const code = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}

test("a trap costs one request, and the instance that follows knows its settings", async () => {
  const core = await loadCore();
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
