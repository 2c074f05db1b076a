/**
 * The Durable Object that adds up what all isolates tell of themselves. What it makes of that is decided in
 * `telemetry/collection.rs`; here it is kept, some seconds after it changed.
 */
import { DurableObject } from "cloudflare:workers";
import {
  configure,
  telemetryCommand,
  telemetryIsLoaded,
  telemetryLoad,
  telemetryUnkept,
} from "./core.js";
import { report } from "./log.js";
import { pause } from "./waiting.js";

/** How long figures wait to be kept, in milliseconds: what came since is lost if the object dies. */
const KEEP_AFTER = 3_000;

export class TelemetryObject extends DurableObject {
  #isKeeping = false;

  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    configure(env);
    ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS counted (owner TEXT PRIMARY KEY, series TEXT NOT NULL)",
    );
  }

  /**
   * @param {string} name
   * @param {string} command
   * @returns {Promise<Uint8Array>}
   */
  async call(name, command) {
    // The core may be another than a moment ago.
    if (!telemetryIsLoaded(name)) {
      const kept = this.ctx.storage.sql.exec("SELECT series FROM counted").toArray();
      telemetryLoad(
        name,
        kept.map(({ series }) => String(series)),
      );
    }
    const answer = telemetryCommand(name, command);
    if (!this.#isKeeping) this.ctx.waitUntil(this.#keep(name));
    return new TextEncoder().encode(answer);
  }

  /** @param {string} name */
  async #keep(name) {
    this.#isKeeping = true;
    try {
      await pause(KEEP_AFTER);
    } finally {
      this.#isKeeping = false;
    }
    const unkept = telemetryUnkept(name);
    for (let at = 0; at + 1 < unkept.length; at += 2) {
      const [owner, series] = unkept.slice(at, at + 2);
      try {
        this.ctx.storage.sql.exec("INSERT OR REPLACE INTO counted VALUES (?, ?)", owner, series);
      } catch (error) {
        // It is kept with the next batch that changes it; until then it is known here.
        report("figures_not_kept", error);
      }
    }
  }
}
