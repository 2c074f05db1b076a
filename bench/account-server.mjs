/**
 * A server with accounts for experiments, in a separate process. It keeps in memory who is signed in, under its own
 * cookie. Behind Vestibule it stores the identity in the session instead, and reads the user from the request.
 * `node bench/account-server.mjs NAME PORT`.
 */
import { randomUUID, scrypt, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";

const [name, port] = process.argv.slice(2);

/** Time for an answer to a message, in milliseconds. */
const ANSWER_MS = 100;

/** Every account has this password. */
const PASSWORD = "correct horse battery staple";

const hash = promisify(
  /** @type {(password: string, salt: string, length: number, done: (error: Error | null, key: Buffer) => void) => void} */ (
    scrypt
  ),
);
const stored = await hash(PASSWORD, "salt", 32);

/** @type {Map<string, string>} users by their cookie */
const sessions = new Map();

const server = createServer(async (request, response) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  response.setHeader("content-type", "application/json");
  const reply = (/** @type {number} */ status, /** @type {object} */ answer) => {
    response.statusCode = status;
    response.end(JSON.stringify(answer));
  };
  const { pathname } = new URL(request.url ?? "/", "http://server");
  if (pathname !== "/sign-in" && pathname !== "/say") return reply(200, { name });
  if (pathname === "/sign-in" && request.method === "GET") return reply(200, { form: true });
  if (pathname === "/sign-in") {
    const { user, password } = JSON.parse(body);
    const isRight = timingSafeEqual(await hash(password, "salt", 32), stored);
    if (!isRight) return reply(403, {});
    if (request.headers["x-session-id"]) {
      response.setHeader("x-session-identify", JSON.stringify({ user }));
    } else {
      const id = randomUUID();
      sessions.set(id, user);
      response.setHeader("set-cookie", `own=${id}; Path=/`);
    }
    return reply(200, { user });
  }
  const [, own] = /(?:^|; )own=([^;]+)/.exec(request.headers.cookie ?? "") ?? [];
  const user = request.headers["x-session-user"] ?? sessions.get(own);
  if (user === undefined) return reply(401, {});
  await pause(ANSWER_MS);
  return reply(200, { name, user });
});

server.listen(Number(port), "127.0.0.1");
