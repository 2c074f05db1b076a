/**
 * The Durable Object that gathers what isolates know about a tenant's origins. What it makes of that is
 * decided in `route/gathering.rs`; here the drains are kept.
 */
import { DurableObject } from "cloudflare:workers";
import { poolCommand } from "./core.js";

export class PoolObject extends DurableObject {
  /**
   * @param {string} tenant
   * @param {string} command
   * @returns {Promise<Uint8Array>}
   */
  async call(tenant, command) {
    const { answer, drained } = poolCommand(
      tenant,
      command,
      this.ctx.storage.kv.get("drained") ?? "[]",
    );
    if (drained) this.ctx.storage.kv.put("drained", drained);
    return new TextEncoder().encode(answer);
  }
}
