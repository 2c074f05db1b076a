/**
 * Loads a module of the Worker in Node, with wasm modules as in workerd, and an empty console. `later` collects the
 * promises given to `waitUntil`.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const ROOT = path.resolve(import.meta.dirname, "../..");

/** @param {string} contents source text that imports from `src/worker/` and exports */
export async function loadEdge(contents) {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: path.join(ROOT, "src/worker/js") },
    bundle: true,
    format: "esm",
    write: false,
    alias: {
      "vestibule-core": path.join(ROOT, "target/worker/vestibule.js"),
      "vestibule-runtime": path.join(ROOT, "src/worker/js/runtime.js"),
    },
    plugins: [
      {
        name: "wasm-module",
        setup({ onResolve, onLoad }) {
          onResolve({ filter: /\.wasm$/ }, ({ path: file }) => ({ path: file, namespace: "wasm" }));
          onResolve({ filter: /\.bin$/ }, ({ path: file }) => ({ path: file, namespace: "bin" }));
          onResolve({ filter: /^cloudflare:/ }, ({ path: name }) => ({
            path: name,
            namespace: "cloudflare",
          }));
          onLoad({ filter: /.*/, namespace: "bin" }, ({ path: file }) => ({
            // Node 24 does not have what esbuild's own loader calls.
            contents: `export default Buffer.from("${readFileSync(path.join(ROOT, "build", file)).toString("base64")}", "base64");`,
          }));
          onLoad({ filter: /.*/, namespace: "cloudflare" }, () => ({
            contents:
              "export const later = []; export const waitUntil = (work) => later.push(work);",
          }));
          onLoad({ filter: /.*/, namespace: "wasm" }, ({ path: file }) => {
            const wasm = readFileSync(path.join(ROOT, "build", file)).toString("base64");
            return {
              contents: `export default new WebAssembly.Module(Buffer.from("${wasm}", "base64"));`,
            };
          });
        },
      },
    ],
  });
  const code = Buffer.from(outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${code}`);
}
