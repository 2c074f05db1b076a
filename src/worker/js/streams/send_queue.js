/**
 * Queues messages for an end of a WebSocket that reads slowly. The runtime cannot make the other end wait, and buffers
 * everything it gets. So it gets little at a time, and the rest waits here, where it can be dropped.
 */

/** Maximum number of unsent bytes in the runtime's buffer; a single message may be larger. */
const MAX_UNSENT = 256 * 1024;

/** Maximum number of bytes queued for all slow ends of this isolate, which has 128 MB for everything. */
const MAX_IN_ISOLATE = 16 * 1024 * 1024;

/** Approximate overhead of a queued message, in bytes. */
const OVERHEAD = 64;

/** Interval between two attempts to send queued messages, in milliseconds; it doubles without progress. */
const MIN_DELAY = 10;
const MAX_DELAY = 250;

/** Maximum time without progress once the other end has closed, in milliseconds. No idle limit applies then. */
const MAX_STALL = 30_000;

/** Code that means a close frame without a code (RFC 6455 section 7.4). */
const NO_CODE = 1005;

/** Queues that hold more than the runtime may buffer. @type {Set<SendQueue>} */
const slow = new Set();

export class SendQueue {
  /** @type {(string | ArrayBuffer)[]} */
  #queued = [];
  #bytes = 0;
  /** Bytes that can be sent before `bufferedAmount` must be read again: each reading costs a tenth of a message. */
  #room = MAX_UNSENT;
  #isClosed = false;
  #isEvicted = false;
  /** Code and reason to close with once all is sent. @type {[code: number, reason: string] | undefined} */
  #last;
  /** Unsent bytes at the last check. A request cannot read another request's socket. */
  weight = 0;

  /** @param {WebSocket} socket @param {() => void} onTooSlow closes both ends */
  constructor(socket, onTooSlow) {
    this.socket = /** @type {WebSocket & { bufferedAmount: number }} */ (socket);
    this.onTooSlow = onTooSlow;
  }

  /** Sends a message, now or once the end has read enough. @param {string | ArrayBuffer} message */
  send(message) {
    if (this.#isClosed) return;
    const size = sizeOf(message);
    if (this.#bytes === 0 && this.#hasRoom()) {
      this.socket.send(message);
      // The runtime buffers UTF-8: up to three bytes for each character.
      this.#room -= 3 * size;
      if (this.#hasRoom()) return;
    } else {
      this.#queued.push(message);
      this.#bytes += size;
    }
    this.weight = this.#bytes + this.socket.bufferedAmount;
    if (!slow.has(this)) this.#drain();
    evictHeaviest();
  }

  /** Closes the socket once all is sent. @param {number} code @param {string} reason */
  finish(code, reason) {
    if (this.#isClosed) return;
    this.#last = [code, reason];
    if (this.#bytes === 0) this.close(code, reason);
  }

  /** Closes the socket now, and drops queued messages. @param {number} code @param {string} reason */
  close(code, reason) {
    this.drop();
    try {
      if (code === NO_CODE) this.socket.close();
      else this.socket.close(code, reason);
    } catch {
      // It is closed already.
    }
  }

  /** Drops queued messages. Another request's socket is closed by that request at its next check. @param {boolean} [isEvicted] */
  drop(isEvicted = false) {
    this.#isClosed = true;
    this.#isEvicted = isEvicted;
    this.#queued = [];
    this.#bytes = 0;
    slow.delete(this);
  }

  /** Sends queued messages little by little until the end is no longer slow. */
  async #drain() {
    slow.add(this);
    let [delay, stalled] = [MIN_DELAY, 0];
    while (this.#bytes > 0 || this.weight >= MAX_UNSENT) {
      await new Promise((resolve) => setTimeout(resolve, delay));
      if (this.#isEvicted) return this.onTooSlow();
      if (this.#isClosed) return;
      let sent = 0;
      while (sent < this.#queued.length && this.socket.bufferedAmount < MAX_UNSENT) {
        this.#bytes -= sizeOf(this.#queued[sent]);
        this.socket.send(this.#queued[sent++]);
      }
      this.#queued.splice(0, sent);
      if (this.#bytes === 0 && this.#last) return this.close(...this.#last);
      const before = this.weight;
      this.weight = this.#bytes + this.socket.bufferedAmount;
      const hasMoved = this.weight < before;
      stalled = hasMoved || !this.#last ? 0 : stalled + delay;
      if (stalled >= MAX_STALL) return this.onTooSlow();
      delay = hasMoved ? MIN_DELAY : Math.min(delay * 2, MAX_DELAY);
    }
    slow.delete(this);
  }

  #hasRoom() {
    if (this.#room <= 0) this.#room = MAX_UNSENT - this.socket.bufferedAmount;
    return this.#room > 0;
  }
}

/** Evicts the heaviest queues until all are within bounds. There are dozens at most: each has `MAX_UNSENT` at least. */
function evictHeaviest() {
  let total = 0;
  for (const queue of slow) total += queue.weight;
  while (total > MAX_IN_ISOLATE) {
    const heaviest = [...slow].reduce((most, queue) => (queue.weight > most.weight ? queue : most));
    total -= heaviest.weight;
    heaviest.drop(true);
  }
}

/** @param {string | ArrayBuffer} message */
function sizeOf(message) {
  return OVERHEAD + (typeof message === "string" ? message.length : message.byteLength);
}
