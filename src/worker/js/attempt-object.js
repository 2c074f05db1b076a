/**
 * The Durable Object that counts how often something was tried: an account's password, a token that
 * counts once. It also knows what was changed of an account lately. What that leads to is decided in `sign_in/attempts.rs`; here it is kept.
 */
import { DurableObject } from "cloudflare:workers";
import { attemptCommand, configure } from "./core.js";

export class AttemptObject extends DurableObject {
  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    configure(env);
  }

  /**
   * Nothing is awaited between reading and writing, so no other attempt comes in between.
   * @param {string} _name
   * @param {string} command
   * @returns {Promise<Uint8Array>}
   */
  async call(_name, command) {
    const before = /** @type {string | undefined} */ (this.ctx.storage.kv.get("row"));
    const { answer, row, until } = attemptCommand(command, before ?? "");
    if (row === undefined) {
      // Asking about what nobody has tried leaves nothing.
      if (before !== undefined) this.ctx.storage.deleteAll();
    } else {
      this.ctx.storage.kv.put("row", row);
      this.ctx.storage.setAlarm(until);
    }
    return new TextEncoder().encode(answer);
  }

  async alarm() {
    await this.ctx.storage.deleteAll();
  }
}
