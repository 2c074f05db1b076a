/** What the control plane is handed with a decision that lacks something: see `worker/runtime.rs`. */
/** @import { RequestTrace } from "./telemetry/request_trace.js" */

/** A request on its way, or what goes on without one. It outlives an instance that dies meanwhile. */
export class RequestContext {
  /** What the step was begun with, as hex; empty if that is not known. */
  seed = "";

  /** Keys and texts that must be given again, one after the other. @type {string[]} */
  notes = [];

  /** Whether the instance died while it served this request. */
  isToBlame = false;

  /** The bytes of a file, if that is the response. @type {Uint8Array | undefined} */
  file;

  /** What was sent that may be sent once. @type {Map<string, ReturnType<typeof send>> | undefined} */
  #sent;

  /** The request's body, once it was wanted. @type {ReturnType<typeof read> | undefined} */
  #body;

  /**
   * @param {Env} env
   * @param {RequestTrace} [trace] whose stages these are
   * @param {Request} [request] whose body may be needed
   */
  constructor(env, trace, request) {
    this.env = env;
    this.trace = trace;
    this.request = request;
  }

  /**
   * Sends a request that may be sent once, though the decision may be driven again.
   * @param {string} question tells it from others
   * @param {string} url
   * @param {RequestInit} init
   * @param {number} limit
   */
  sendOnce(question, url, init, limit) {
    this.#sent ??= new Map();
    const sent = this.#sent.get(question) ?? send(url, init, limit);
    this.#sent.set(question, sent);
    return sent;
  }

  /** What was sent is dealt with: the same question is sent again from now on. */
  forgetSent() {
    this.#sent = undefined;
  }

  /** Reads the request's body, once, though the decision may be driven again. @param {number} limit */
  readBody(limit) {
    this.#body ??= read(this.request?.body, limit);
    return this.#body;
  }
}

/** Returns the status and the body. @param {string} url @param {RequestInit} init @param {number} limit */
async function send(url, init, limit) {
  const { status, body } = await fetch(url, init);
  return [status, await read(body, limit)];
}

/**
 * Reads everything that comes; returns nothing if it has more bytes.
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
