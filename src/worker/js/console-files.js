/**
 * The console's files, compressed when they were built. The core says under which headers they are shown.
 */

import style from "./console/console.css.bin";
import script from "./console/console.js.bin";
import page from "./console/index.html.bin";
import schema from "./console/tenant.schema.json.bin";

/** @type {Map<string, ArrayBuffer>} */
const FILES = new Map([
  ["index.html", page],
  ["console.js", script],
  ["console.css", style],
  ["tenant.schema.json", schema],
]);

/** What each file is told from its next version by. @type {Map<string, string>} */
const etags = new Map();

/**
 * A file of the console, under the headers of `answer`, whose body names it.
 * @param {Request} request
 * @param {Response} answer
 */
export async function shipped(request, answer) {
  const name = await answer.text();
  const file = /** @type {ArrayBuffer} */ (FILES.get(name));
  const headers = new Headers(answer.headers);
  const etag = await etagOf(name, file);
  headers.set("etag", etag);
  headers.set("cache-control", "no-cache");
  if (request.headers.get("if-none-match") === etag) {
    return new Response(null, { status: 304, headers });
  }
  if (!/\bgzip\b/.test(request.headers.get("accept-encoding") ?? "")) {
    const plain = new Response(file).body?.pipeThrough(new DecompressionStream("gzip"));
    return new Response(plain, { headers });
  }
  headers.set("content-encoding", "gzip");
  return new Response(file, { headers, encodeBody: "manual" });
}

/**
 * @param {string} name
 * @param {ArrayBuffer} file
 */
async function etagOf(name, file) {
  let etag = etags.get(name);
  if (!etag) {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
    etag = `"${btoa(String.fromCharCode(...hash.subarray(0, 12)))}"`;
    etags.set(name, etag);
  }
  return etag;
}
