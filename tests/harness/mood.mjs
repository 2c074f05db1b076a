/** What the objects of a test are told to do; see `faulty-objects.js`. */
import { createServer } from "node:http";
import { listen } from "./ports.mjs";

/** @typedef {"fine" | "refuses" | "hangs" | "loses answers" | "traps"} ObjectMood */

export class Mood {
  /** @type {ObjectMood} */
  sessions = "fine";
  /** @type {ObjectMood} */
  directory = "fine";
  /** @type {ObjectMood} */
  telemetry = "fine";
  /** How often a directory object was called. */
  directoryCalls = 0;
  #server = createServer((request, response) => {
    const moods = new Map([
      ["/SessionObject", this.sessions],
      ["/DirectoryObject", this.directory],
      ["/TelemetryObject", this.telemetry],
    ]);
    if (request.url === "/DirectoryObject") this.directoryCalls += 1;
    response.end(moods.get(request.url ?? "") ?? "fine");
    // Once: what is called again finds another instance.
    if (request.url === "/SessionObject" && this.sessions === "traps") this.sessions = "fine";
  });

  /** @type {Promise<number> | undefined} */
  #port;

  /** @returns {Promise<number>} the port */
  listening() {
    this.#port ??= listen(this.#server);
    return this.#port;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
