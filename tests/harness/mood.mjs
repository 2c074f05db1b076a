/** Controls how the objects of a test fail; see `faulty-objects.js`. */
import { createServer } from "node:http";
import { listen } from "./ports.mjs";
import { until } from "./until.mjs";

/** @typedef {"fine" | "refuses" | "hangs" | "held" | "loses answers" | "traps"} ObjectMood held: until the mood changes */

export class Mood {
  /** @type {ObjectMood} */
  sessions = "fine";
  /** @type {ObjectMood} */
  directory = "fine";
  /** @type {ObjectMood} */
  telemetry = "fine";
  /** @type {ObjectMood} */
  pool = "fine";
  /** Number of calls of a directory object. */
  directoryCalls = 0;
  /** Number of held commands. */
  holding = 0;
  #server = createServer(async (request, response) => {
    const mood = () =>
      new Map([
        ["/SessionObject", this.sessions],
        ["/DirectoryObject", this.directory],
        ["/TelemetryObject", this.telemetry],
        ["/PoolObject", this.pool],
      ]).get(request.url ?? "") ?? "fine";
    if (request.url === "/DirectoryObject") this.directoryCalls += 1;
    if (mood() === "held") {
      this.holding += 1;
      await until(() => mood() !== "held", { within: 60_000 }).catch(() => {});
      this.holding -= 1;
    }
    response.end(mood());
    // Only once: a repeated call finds another instance.
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
