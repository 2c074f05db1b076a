/**
 * What waits for one end of a followed WebSocket because that end reads slowly. The runtime cannot make the other end
 * wait, and keeps what it was given until it is read: so it is given little at a time, and the rest waits here, where
 * it can be dropped.
 */

/** So many bytes the runtime is given before it has sent them; a single message may be larger. */
const AT_ONCE = 256 * 1024;

/** So many bytes may wait for all ends in this isolate together. It has 128 MB for everything. */
const MOST_IN_ALL = 16 * 1024 * 1024;

/** What a waiting message takes beside its own bytes, about. */
const BESIDE = 64;

/** How long to wait until what was given is looked at again, in milliseconds; longer each time if nothing moves. */
const SOON = 10;
const LATE = 250;

/** So long nothing of what still waits may move once nothing more comes, in milliseconds. No idle time ends this. */
const STUCK = 30_000;

/** @type {Set<Lane>} those for which more waits than the runtime is given */
const slow = new Set();

export class Lane {
  #to;
  #letGo;
  /** @type {(string | ArrayBuffer)[]} */
  #waiting = [];
  #next = 0;
  #bytes = 0;
  #pause = SOON;
  #isLooking = false;
  #isGivenUp = false;
  #isOver = false;
  /** @type {(() => void) | undefined} */
  #last;
  /** When something moved last, once nothing more comes. */
  #moved = 0;
  /** How many bytes wait, when that was last looked at. Another request's socket cannot be asked. */
  weight = 0;

  /**
   * @param {WebSocket} to
   * @param {() => void} letGo closes the socket, because this end is too slow
   */
  constructor(to, letGo) {
    this.#to = to;
    this.#letGo = letGo;
  }

  /** @param {string | ArrayBuffer} data */
  send(data) {
    if (this.#isOver) return;
    if (this.#bytes === 0 && this.#given < AT_ONCE) this.#to.send(data);
    else {
      this.#waiting.push(data);
      this.#bytes += sizeOf(data);
    }
    if (this.#bytes > 0 || this.#given >= AT_ONCE) this.#weigh();
  }

  /** Nothing more comes: does this once all that waits was given, or lets go of who reads none of it. @param {() => void} last */
  finish(last) {
    if (this.#isOver) return;
    if (this.#bytes > 0) {
      this.#last = last;
      this.#moved = Date.now();
      return;
    }
    this.drop();
    last();
  }

  /** Forgets what waits, for good. */
  drop() {
    this.#isOver = true;
    this.#waiting = [];
    this.#bytes = 0;
    slow.delete(this);
  }

  /** Only whose request it is may close a socket: it does so when it looks next. */
  giveUp() {
    this.#isGivenUp = true;
    this.drop();
  }

  /** What the runtime has not sent yet. */
  get #given() {
    return /** @type {any} */ (this.#to).bufferedAmount;
  }

  #weigh() {
    this.weight = this.#bytes + this.#given;
    slow.add(this);
    relieve();
    this.#lookSoon();
  }

  #lookSoon() {
    if (this.#isLooking) return;
    this.#isLooking = true;
    setTimeout(() => {
      this.#isLooking = false;
      this.#look();
    }, this.#pause);
  }

  #look() {
    if (this.#isGivenUp) return this.#letGo();
    if (this.#isOver) return;
    const before = this.weight;
    while (this.#next < this.#waiting.length && this.#given < AT_ONCE) {
      const data = this.#waiting[this.#next];
      this.#next += 1;
      this.#bytes -= sizeOf(data);
      this.#to.send(data);
    }
    if (this.#next * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#next);
      this.#next = 0;
    }
    this.weight = this.#bytes + this.#given;
    const hasMoved = this.weight < before;
    this.#pause = hasMoved ? SOON : Math.min(this.#pause * 2, LATE);
    if (this.#bytes === 0 && this.#last) {
      const last = this.#last;
      this.drop();
      return last();
    }
    if (hasMoved) this.#moved = Date.now();
    else if (this.#last && Date.now() - this.#moved >= STUCK) return this.#letGo();
    if (this.#bytes > 0 || this.weight >= AT_ONCE) return this.#lookSoon();
    this.#pause = SOON;
    slow.delete(this);
  }
}

/** Gives up those for which most waits, until all together are within bounds. There are at most some dozens: each has
 * at least what the runtime is given. */
function relieve() {
  let inAll = 0;
  for (const lane of slow) inAll += lane.weight;
  while (inAll > MOST_IN_ALL) {
    const slowest = [...slow].reduce((most, lane) => (lane.weight > most.weight ? lane : most));
    inAll -= slowest.weight;
    slowest.giveUp();
  }
}

/** @param {string | ArrayBuffer} data */
function sizeOf(data) {
  return BESIDE + (typeof data === "string" ? data.length : data.byteLength);
}
