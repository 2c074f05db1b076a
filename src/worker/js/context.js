/** Holds what the control plane gets with a decision that lacks something: see `worker/runtime.rs`. */
/** @import { RequestTrace } from "./telemetry/request_trace.js" */

/** Context of a request, or of work without one. It survives an instance that dies meanwhile. */
export class RequestContext {
  /** Seed of the step, as hex; empty if not known. */
  seed = "";

  /** Keys and texts, alternating, that a repeated decision must get again. @type {string[]} */
  notes = [];

  /** Whether the instance died while it served this request. */
  isToBlame = false;

  /** The response's body, if it is a file. @type {Uint8Array | undefined} */
  file;

  /** Requests that may be sent only once, with their responses. @type {Map<string, ReturnType<typeof send>> | undefined} */
  #sent;

  /** The message's body, once it was read. @type {ReturnType<typeof read> | undefined} */
  #body;

  /**
   * @param {Env} env
   * @param {RequestTrace} [trace] the trace that records the stages
   * @param {Request | Response} [message] the message with the body
   */
  constructor(env, trace, message) {
    this.env = env;
    this.trace = trace;
    this.message = message;
  }

  /**
   * Sends a request that may be sent only once, although the decision may be driven again.
   * @param {string} question distinguishes it from others
   * @param {string} url @param {RequestInit} init @param {number} limit
   */
  sendOnce(question, url, init, limit) {
    this.#sent ??= new Map();
    const sent = this.#sent.get(question) ?? send(url, init, limit);
    this.#sent.set(question, sent);
    return sent;
  }

  /** Forgets the requests that were sent: the same question is sent again from now on. */
  forgetSent() {
    this.#sent = undefined;
  }

  /** Reads the body once, although the decision may be driven again. A response keeps its own. @param {number} limit */
  readBody(limit) {
    const { message } = this;
    this.#body ??= read((message instanceof Response ? message.clone() : message)?.body, limit);
    return this.#body;
  }
}

/** Returns the status and the body. @param {string} url @param {RequestInit} init @param {number} limit */
async function send(url, init, limit) {
  const { status, body } = await fetch(url, init);
  return [status, await read(body, limit)];
}

/**
 * Reads a whole stream; returns nothing if it has more bytes than the limit.
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
