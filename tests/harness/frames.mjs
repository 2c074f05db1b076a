/** WebSocket peers that send exactly the given frames (RFC 6455): libraries refuse to send invalid ones. */
import { createHash } from "node:crypto";
import { connect } from "node:net";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/**
 * One end of a WebSocket, as raw frames.
 */
export class FramePeer {
  /** @type {{ opcode: number, payload: Buffer }[]} the received frames, in order */
  frames = [];
  /** Whether the other side closed the connection. */
  isEnded = false;
  #rest = Buffer.alloc(0);

  /**
   * @param {import("node:net").Socket} socket
   * @param {boolean} isClient whether its frames are masked
   */
  constructor(socket, isClient) {
    this.socket = socket;
    this.isClient = isClient;
    const end = () => {
      this.isEnded = true;
    };
    socket.on("error", end).on("close", end).on("end", end);
    socket.on("data", (bytes) => this.#read(bytes));
  }

  /** Returns the code of the received close frame: 0 before it, 1005 for one without a code. */
  get closeCode() {
    const close = this.frames.find(({ opcode }) => opcode === 8);
    if (!close) return 0;
    return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE(0);
  }

  /**
   * @param {number} opcode
   * @param {Buffer | string} payload
   * @param {{ masked?: boolean, first?: number }} [how] `first` replaces the frame's first byte
   */
  send(opcode, payload, { masked = this.isClient, first = 0x80 | opcode } = {}) {
    const bytes = Buffer.from(payload);
    const bit = masked ? 0x80 : 0;
    const head =
      bytes.length < 126
        ? Buffer.from([first, bit | bytes.length])
        : Buffer.from([first, bit | 126, bytes.length >> 8, bytes.length & 255]);
    const mask = Buffer.from([1, 2, 3, 4]);
    const body = masked ? bytes.map((byte, at) => byte ^ mask[at % 4]) : bytes;
    this.socket.write(Buffer.concat(masked ? [head, mask, body] : [head, body]));
  }

  /** @param {number} code @param {Buffer | string} [reason] */
  close(code, reason = "") {
    this.send(8, closePayload(code, reason));
  }

  /** @param {Buffer} bytes */
  #read(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const frame = this.#next();
      if (!frame) return;
      this.frames.push(frame);
    }
  }

  #next() {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const isMasked = (rest[1] & 0x80) !== 0;
    let length = rest[1] & 127;
    let at = 2;
    if (length === 126) {
      if (rest.length < 4) return undefined;
      length = rest.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (rest.length < 10) return undefined;
      length = Number(rest.readBigUInt64BE(2));
      at = 10;
    }
    const mask = isMasked ? rest.subarray(at, at + 4) : undefined;
    if (isMasked) at += 4;
    if (rest.length < at + length) return undefined;
    const body = rest.subarray(at, at + length);
    const payload = Buffer.from(mask ? body.map((byte, n) => byte ^ mask[n % 4]) : body);
    this.#rest = rest.subarray(at + length);
    return { opcode: rest[0] & 15, payload };
  }
}

/**
 * Encodes the payload of a close frame.
 * @param {number} code
 * @param {Buffer | string} reason
 */
export function closePayload(code, reason = "") {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/**
 * Opens a client and completes its handshake.
 * @param {import("node:test").TestContext} t
 * @param {number} port
 * @param {{ cookie?: string, paused?: boolean }} [how]
 * @returns {Promise<FramePeer>}
 */
export async function frameClient(t, port, { cookie = "", paused = false } = {}) {
  const socket = connect(port, "127.0.0.1");
  t.after(() => socket.destroy());
  socket.write(
    `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\nOrigin: http://127.0.0.1:${port}\r\n` +
      `${cookie === "" ? "" : `Cookie: ${cookie}\r\n`}\r\n`,
  );
  const rest = await head(socket);
  const peer = new FramePeer(socket, true);
  if (rest.length > 0) socket.unshift(rest);
  if (paused) socket.pause();
  return peer;
}

/**
 * Makes an HTTP server accept WebSockets as raw frames.
 * @param {import("node:http").Server} server
 * @returns {FramePeer[]} its ends, in order of connection
 */
export function framePeers(server) {
  /** @type {FramePeer[]} */
  const peers = [];
  server.on("upgrade", (request, socket) => {
    const key = request.headers["sec-websocket-key"];
    const accept = createHash("sha1")
      .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    peers.push(new FramePeer(/** @type {import("node:net").Socket} */ (socket), false));
  });
  return peers;
}

/**
 * Reads a response's head.
 * @param {import("node:net").Socket} socket
 * @returns {Promise<Buffer>} the bytes after it
 */
function head(socket) {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    /** @param {Buffer} chunk */
    const read = (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", read).off("close", gone);
      const status = bytes.subarray(0, 12).toString();
      if (status === "HTTP/1.1 101") resolve(bytes.subarray(end + 4));
      else reject(new Error(`the handshake was answered: ${bytes}`));
    };
    const gone = () => reject(new Error("the connection ended before the handshake was answered"));
    socket.on("error", gone).on("close", gone).on("data", read);
  });
}
