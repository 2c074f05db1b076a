/**
 * Opens a listening socket that outlives the runtime, which gets it by its file descriptor.
 *
 * While the runtime starts again after a crash, connections wait in the socket's queue. A stopping runtime accepts none
 * but keeps the socket open for as long as a connection is: clients would wait in vain. So a thread holds the socket,
 * blocked; it is released to answer the newcomers with 503.
 */
import { once } from "node:events";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { Failure } from "./exit.mjs";

export class Listener {
  /** File descriptor, for `--socket-fd`. */
  fd;
  #thread;
  #gate;

  /** @param {Worker} thread @param {Int32Array} gate @param {number} fd */
  constructor(thread, gate, fd) {
    this.#thread = thread;
    this.#gate = gate;
    this.fd = fd;
  }

  /** @param {string} host @param {number} port */
  static async open(host, port) {
    const gate = new Int32Array(new SharedArrayBuffer(4));
    const file = path.join(import.meta.dirname, "listener-thread.mjs");
    const thread = new Worker(file, { workerData: { host, port, gate } });
    const [{ fd, error }] = await once(thread, "message");
    if (error) {
      await thread.terminate();
      throw new Failure("unavailable", problemOf(error, host, port));
    }
    return new Listener(thread, gate, fd);
  }

  /** Answers every new connection with 503 from now on. */
  refuse() {
    Atomics.store(this.#gate, 0, 1);
    Atomics.notify(this.#gate, 0);
  }

  async close() {
    this.refuse();
    await this.#thread.terminate();
  }
}

/**
 * @param {{ code: string, message: string }} error
 * @param {string} host
 * @param {number} port
 */
function problemOf({ code, message }, host, port) {
  if (code === "EADDRINUSE")
    return `Port ${port} of ${host} is taken. Stop what listens there, or choose another with --port.`;
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return `${host} is no address of this machine. Choose another with --host.`;
  if (code === "EACCES")
    return `Only root may listen on port ${port}. Choose one from 1024 with --port, and put a proxy in front.`;
  return `It is impossible to listen on port ${port} of ${host}: ${message}`;
}
