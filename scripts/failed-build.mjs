/**
 * Builds for a running development server. If the build fails, the server gets a Worker that answers every request with
 * the compiler's messages, until a build succeeds. Otherwise it would go on with the code from before.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import util from "node:util";
import { ROOT } from "./places.mjs";
import { print } from "./progress.mjs";

/** Maximum length of the messages on the page. */
const MAX_SHOWN = 64 * 1024;

/** Interval at which an open page tries again, in seconds. */
const REFRESH = 2;

/**
 * Runs a build in a process of its own, and keeps what it prints.
 * @param {string} script
 * @param {{ script: string, wasm: string }} built its products
 * @returns {Promise<number>} 0, also after a failure: then wrangler serves the page
 */
export async function buildWhileServing(script, built) {
  const { WRANGLER_COMMAND: _, ...env } = process.env;
  const child = spawn(process.execPath, [script], { env, stdio: ["ignore", "pipe", "pipe"] });
  for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
    process.once(signal, () => child.kill(signal));
  }
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    process.stdout.write(chunk);
    printed += chunk;
  });
  // A compiler's messages are printed together: wrangler would cut lines between two pieces.
  let messages = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    messages += chunk;
  });
  const [code, signal] = await once(child, "close");
  process.stderr.write(messages);
  if (code === 0 || signal !== null) return code ?? 1;
  const text = util.stripVTControlCharacters(messages || printed).slice(0, MAX_SHOWN);
  // The next build counts as outdated, whatever the sources' times are.
  rmSync(built.wasm, { force: true });
  mkdirSync(path.dirname(built.script), { recursive: true });
  writeFileSync(built.script, failureWorker(text));
  print("The Worker was not built: see above. Until it is, requests get a page that says so.");
  return 0;
}

/**
 * Returns the code of a Worker that answers with the messages.
 * @param {string} messages
 */
function failureWorker(messages) {
  const configuration = readFileSync(path.join(ROOT, "wrangler.toml"), "utf8");
  const classes = new Set(
    Array.from(configuration.matchAll(/^class_name = "(\w+)"/gm), ([, name]) => name),
  );
  const title = "The Worker was not built";
  const page = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>${title}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem}pre{overflow:auto;padding:1rem;background:#1118270d}</style>
<h1>${title}</h1>
<p>Your change does not compile. Correct it: this page then gives way to your site.</p>
<pre>${messages.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`)}</pre></html>
`;
  return `import { DurableObject } from "cloudflare:workers";
const PAGE = ${JSON.stringify(page)};
const TEXT = ${JSON.stringify(`${title}:\n\n${messages}`)};
export default {
  fetch(request) {
    const isPage = (request.headers.get("accept") ?? "").includes("text/html");
    return new Response(isPage ? PAGE : TEXT, {
      status: 500,
      headers: {
        "content-type": isPage ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
        "cache-control": "no-store",
        ...(isPage && { refresh: "${REFRESH}" }),
      },
    });
  },
};
${[...classes].map((name) => `export class ${name} extends DurableObject {}\n`).join("")}`;
}
