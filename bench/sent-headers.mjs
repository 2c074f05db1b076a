/** Counts what a variant sends to the server: the request's header fields, and the bytes of its head. */
import { connect, createServer } from "node:net";
import { Fault } from "../scripts/progress.mjs";
import { listen } from "../tests/harness/ports.mjs";
import { DATA } from "./session.mjs";
import { Variant } from "./variant.mjs";
import { COLD, EACH, HAND_WRITTEN, TOLD } from "./variants.mjs";

/**
 * Maximum difference between two heads, as a share of the larger one. Ids, times and signatures differ by a few bytes
 * from run to run.
 */
const TOLERANCE = 0.03;

/** @typedef {{ fields: [name: string, value: string][], bytes: number }} Head of a request, in the order of its fields */

/**
 * Starts a variant before a server that echoes, sends it the request of a load twice, and returns the head that
 * arrives the second time, when the variant is warm.
 * @param {import("./variant.mjs").Description} description
 * @returns {Promise<Head>}
 */
export async function sentHead(description) {
  const server = echo();
  const variant = new Variant(description);
  try {
    await variant.start(await listen(server));
    await request(variant);
    return head(await request(variant));
  } finally {
    variant.stop();
    server.close();
    server.unref();
  }
}

/** Answers each request with its own head; what asks for `/store` changes the session. */
function echo() {
  const patch = `X-Session-Patch: ${JSON.stringify(DATA)}\r\n`;
  return createServer((socket) => {
    let received = "";
    socket.on("error", () => {});
    socket.setEncoding("latin1").on("data", (chunk) => {
      received += chunk;
      for (let end = received.indexOf(END); end >= 0; end = received.indexOf(END)) {
        const text = received.slice(0, end + END.length);
        received = received.slice(text.length);
        const change = text.startsWith("GET /store ") ? patch : "";
        const length = `Content-Length: ${text.length}\r\n`;
        socket.write(`HTTP/1.1 200 OK\r\n${change}${length}\r\n${text}`, "latin1");
      }
    });
  });
}

const END = "\r\n\r\n";

/** Sends the request that wrk sends. @param {Variant} variant @returns {Promise<string>} the response's body */
async function request({ url, cookie, description }) {
  const { host, hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nConnection: close\r\n\r\n`);
  let answer = "";
  for await (const chunk of socket.setEncoding("latin1")) answer += chunk;
  const [line, body] = [answer.split("\r\n", 1)[0], answer.slice(answer.indexOf(END) + END.length)];
  if (!/^HTTP\/1.1 200 /.test(line)) throw new Error(`${description.name} answers ${line}`);
  return body;
}

/** Reads a request's head. @param {string} text @returns {Head} */
export function head(text) {
  const lines = text.slice(0, text.indexOf(END)).split("\r\n").slice(1);
  const fields = lines.map((line) => {
    const [name, ...value] = line.split(":");
    return /** @type {[string, string]} */ ([name.toLowerCase(), value.join(":").trim()]);
  });
  return { fields, bytes: text.length };
}

/**
 * Pairs of variants that the goals compare: both must send the same amount, or one is measured with less work.
 * @type {[import("./variant.mjs").Description, import("./variant.mjs").Description][]}
 */
export const PAIRS = [
  [TOLD, EACH],
  [HAND_WRITTEN, COLD],
];

/** Fails unless the variants that the goals compare send equally many headers and bytes. */
export async function checkSentHeaders() {
  for (const [floor, ours] of PAIRS) {
    const [theirs, own] = [await sentHead(floor), await sentHead(ours)];
    const fault = difference(theirs, own);
    if (fault) throw new Fault(`"${floor.name}" and "${ours.name}" cannot be compared: ${fault}`);
  }
}

/**
 * Says how two heads differ; nothing if they have as many fields, and as many bytes within the tolerance.
 * @param {Head} floor
 * @param {Head} ours
 * @returns {string | undefined}
 */
export function difference(floor, ours) {
  const [fewer, more] = [floor.fields.length, ours.fields.length];
  if (fewer !== more) {
    return `they send ${fewer} and ${more} headers. ${named(floor, ours)} Change bench/peers/headers.js.`;
  }
  const share = Math.abs(floor.bytes - ours.bytes) / Math.max(floor.bytes, ours.bytes);
  if (share <= TOLERANCE) return undefined;
  return `they send ${floor.bytes} and ${ours.bytes} bytes of headers. Change bench/peers/headers.js.`;
}

/** @param {Head} floor @param {Head} ours */
function named(floor, ours) {
  const names = (/** @type {Head} */ { fields }) => fields.map(([name]) => name);
  const [theirs, own] = [names(floor), names(ours)];
  const only = [...theirs, ...own].filter((name) => !theirs.includes(name) || !own.includes(name));
  return `Only one of them sends ${only.join(", ")}.`;
}
