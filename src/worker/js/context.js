/** What the control plane knows of a request on its way, or of what goes on without one. */

/** A request's context: see `worker/runtime.rs`. */
export class RequestContext {
  /** What the step was begun with, as hex; empty if that is not known. */
  seed = "";

  /** Keys and texts that must be given again to the next instance, one after the other. @type {string[]} */
  notes = [];

  /** Whether the instance died while it served this request. */
  isToBlame = false;

  /** The bytes of a file, if that is the response. @type {Uint8Array | undefined} */
  file;

  /** What was sent that may be sent once. @type {Map<string, Promise<[number, Uint8Array | undefined]>>} */
  #sent = new Map();

  /** The bytes of the request's body, once they were wanted. @type {Promise<Uint8Array | undefined> | undefined} */
  #body;

  /**
   * @param {Env} env
   * @param {{ request?: Request, trace?: import("./telemetry/request_trace.js").RequestTrace, context?: ExecutionContext }} [of]
   *   whose body may be needed, whose stages these are, and what keeps its probes alive
   */
  constructor(env, { request, trace, context } = {}) {
    this.env = env;
    this.context = context;
    this.request = request;
    this.trace = trace;
  }

  /**
   * A stage has ended.
   * @param {string} stage
   * @param {number} begun in milliseconds since 1970
   * @param {string} result
   */
  passed(stage, begun, result) {
    this.trace?.passed(stage, begun, result);
  }

  /**
   * @param {string} key
   * @param {string} text
   */
  note(key, text) {
    this.notes.push(key, text);
  }

  /** What was noted is dealt with. */
  forgetNotes() {
    this.notes.length = 0;
  }

  /**
   * Sends a request that may be sent once, though the decision may be driven again.
   * @param {string} question tells it from others
   * @param {string} url
   * @param {RequestInit} init
   * @param {number} limit
   * @returns {Promise<[status: number, body: Uint8Array | undefined]>} no body if it has more bytes
   */
  sendOnce(question, url, init, limit) {
    const sent = this.#sent.get(question) ?? send(url, init, limit);
    this.#sent.set(question, sent);
    return sent;
  }

  /** What was sent is dealt with: the same question is sent again from now on. */
  forgetSent() {
    this.#sent.clear();
  }

  /**
   * The request's body; nothing if it has more bytes. It is read once, though the decision may be driven again.
   * @param {number} limit
   */
  readBody(limit) {
    this.#body ??= read(this.request?.body, limit);
    return this.#body;
  }

  /** @param {Uint8Array} bytes */
  setFile(bytes) {
    this.file = bytes;
  }
}

/**
 * @param {string} url
 * @param {RequestInit} init
 * @param {number} limit
 * @returns {Promise<[number, Uint8Array | undefined]>}
 */
async function send(url, init, limit) {
  const response = await fetch(url, init);
  return [response.status, await read(response.body, limit)];
}

/**
 * Everything that comes, or nothing if it is more than that.
 * @param {ReadableStream<Uint8Array> | null | undefined} stream
 * @param {number} limit
 */
async function read(stream, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
