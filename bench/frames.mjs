/**
 * Encodes WebSocket frames (RFC 6455 section 5) of one length without a library, because a load generator on
 * the same machine must be cheap.
 */
import { createHash } from "node:crypto";

/** Length of a message in bytes: below 126, so that its length takes one byte. */
export const MESSAGE = 100;

const HEAD = 2;
const MASK = 4;
const TEXT_FRAME = 0x81;
const MASKED = 0x80;

/** Length of a frame to a client, and from one. */
export const DOWN = HEAD + MESSAGE;
const UP = HEAD + MASK + MESSAGE;

/** Returns a client's frame. @param {string} text of that length */
export function frameUp(text) {
  const mask = Buffer.from([0x3c, 0x91, 0x5e, 0xa7]);
  const payload = Buffer.from(text).map((byte, at) => byte ^ mask[at % MASK]);
  return Buffer.concat([Buffer.from([TEXT_FRAME, MASKED | MESSAGE]), mask, payload]);
}

/**
 * Echoes frames of a client that has just requested a WebSocket.
 * @param {import("node:http").IncomingMessage} request
 * @param {import("node:stream").Duplex} socket
 */
export function echo(request, socket) {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  /** @type {Buffer} */
  let rest = Buffer.alloc(0);
  socket.on("data", (/** @type {Buffer} */ chunk) => {
    /** @type {Buffer} */
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (; bytes.length >= UP; bytes = bytes.subarray(UP)) {
      // Anything but a message of that length ends the connection.
      if (bytes[0] !== TEXT_FRAME || bytes[1] !== (MASKED | MESSAGE)) return void socket.destroy();
      socket.write(unmasked(bytes));
    }
    rest = bytes;
  });
  socket.on("error", () => socket.destroy());
}

/** Returns a server's frame of the same message. @param {Buffer} frame a client's */
function unmasked(frame) {
  const down = Buffer.allocUnsafe(DOWN);
  down[0] = TEXT_FRAME;
  down[1] = MESSAGE;
  for (let at = 0; at < MESSAGE; at += 1) {
    down[HEAD + at] = frame[HEAD + MASK + at] ^ frame[HEAD + (at % MASK)];
  }
  return down;
}
