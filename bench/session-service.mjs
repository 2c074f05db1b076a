/**
 * A small, typical session service in Node for nginx's auth_request. It verifies the cookie, looks up the
 * session in its memory, and responds with the headers to forward.
 * `node bench/session-service.mjs PORT`
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { isStarted } from "../scripts/started.mjs";
import { DATA } from "./session.mjs";

const SECRET = "benchmark-secret-benchmark-secret";
const ID = "abcdefghijklmnopqrstuv";

/** The cookie of the only session. */
export const COOKIE = `sid=${ID}.${mac(ID).toString("base64url")}`;

/** @param {string} id */
function mac(id) {
  return createHmac("sha256", SECRET).update(id).digest();
}

/** @type {Map<string, { user: string, expires: number, data: object }>} */
const sessions = new Map([[ID, { user: "alice", expires: Date.now() + 86_400_000, data: DATA }]]);

/** @param {string} cookies */
function find(cookies) {
  const [, id, signature] = /(?:^|; )sid=([^.;]+)\.([^;]+)/.exec(cookies) ?? [];
  if (!id) return undefined;
  const given = Buffer.from(signature, "base64url");
  const wanted = mac(id);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
  const session = sessions.get(id);
  return session && session.expires > Date.now() ? { id, ...session } : undefined;
}

if (isStarted(import.meta.filename)) {
  createServer((request, response) => {
    const session = find(request.headers.cookie ?? "");
    if (!session) return void response.writeHead(401).end();
    response.writeHead(200, {
      "x-session-id": session.id,
      "x-session-user": session.user,
      "x-session-data": JSON.stringify(session.data),
    });
    response.end();
  }).listen(Number(process.argv[2]), "127.0.0.1");
}
