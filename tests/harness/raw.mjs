/** A client that sends exactly the given bytes: curl and fetch would normalise them. */
import { connect } from "node:net";

/**
 * @typedef {object} RawAnswer
 * @property {number} status 0 if the connection ended without a response
 * @property {[string, string][]} headers names in lower case
 * @property {string} body as received, chunk sizes included
 * @property {string} code the `code` of problem details
 */

/**
 * Sends bytes on a new connection, and reads until the response is complete or the connection ends.
 * @param {number} port
 * @param {string} bytes latin1
 * @param {number} [patience] maximum silence, in milliseconds
 * @returns {Promise<RawAnswer>}
 */
export function exchange(port, bytes, patience = 8_000) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    const finish = () => {
      socket.destroy();
      resolve(parse(text));
    };
    socket.setTimeout(patience, finish);
    socket.on("error", finish).on("close", finish);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (isComplete(text)) finish();
    });
    socket.write(Buffer.from(bytes, "latin1"));
  });
}

/**
 * Sends a GET (or other) request with extra raw header lines.
 * @param {number} port
 * @param {{ method?: string, target?: string, host?: string, lines?: string[], body?: string, patience?: number }} request
 */
export function send(
  port,
  { method = "GET", target = "/", host = "chat.example", lines = [], body = "", patience },
) {
  const head = [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...lines, "Connection: close"];
  return exchange(port, `${head.join("\r\n")}\r\n\r\n${body}`, patience);
}

/**
 * @param {RawAnswer} answer
 * @param {string} name
 */
export function header(answer, name) {
  return answer.headers.filter(([other]) => other === name).map(([, value]) => value);
}

/** @param {string} text */
function isComplete(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end));
  if (length) return text.length >= end + 4 + Number(length[1]);
  if (/^HTTP\/1\.1 (101|204|304)/.test(text)) return true;
  return text.endsWith("0\r\n\r\n");
}

/**
 * @param {string} text
 * @returns {RawAnswer}
 */
function parse(text) {
  const end = text.indexOf("\r\n\r\n");
  const [first, ...lines] = text.slice(0, end < 0 ? undefined : end).split("\r\n");
  const body = end < 0 ? "" : text.slice(end + 4);
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return /** @type {[string, string]} */ ([
      line.slice(0, colon).toLowerCase(),
      line.slice(colon + 1).trim(),
    ]);
  });
  const code = /"code":"([a-z_]+)"/.exec(body)?.[1] ?? "";
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1] ?? 0), headers, body, code };
}
