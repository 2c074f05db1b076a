/** Serves the page in www/demo: a fixed list of files, which excludes path traversal. */
import { readFile } from "node:fs/promises";
import path from "node:path";

const FOLDER = path.resolve(import.meta.dirname, "../www/demo");

/** @type {Record<string, [file: string, type: string]>} */
const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/demo.css": ["demo.css", "text/css; charset=utf-8"],
  "/picture.css": ["picture.css", "text/css; charset=utf-8"],
  "/icon.svg": ["icon.svg", "image/svg+xml"],
  "/demo.js": ["demo.js", "text/javascript; charset=utf-8"],
  "/chat.js": ["chat.js", "text/javascript; charset=utf-8"],
  "/picture.js": ["picture.js", "text/javascript; charset=utf-8"],
  "/servers.js": ["servers.js", "text/javascript; charset=utf-8"],
  "/story.js": ["story.js", "text/javascript; charset=utf-8"],
  "/wires.js": ["wires.js", "text/javascript; charset=utf-8"],
  "/session.js": ["session.js", "text/javascript; charset=utf-8"],
};

const HEADERS = {
  "cache-control": "no-cache",
  "content-security-policy":
    "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
};

/**
 * @param {string} pathname
 * @param {import("node:http").ServerResponse} response
 */
export async function servePage(pathname, response) {
  const entry = FILES[pathname];
  if (!entry) {
    response.writeHead(404, { "content-type": "text/plain" });
    response.end("Not found\n");
    return;
  }
  const [file, type] = entry;
  const body = await readFile(path.join(FOLDER, file));
  response.writeHead(200, { ...HEADERS, "content-type": type });
  response.end(body);
}
