/** The Durable Objects, which are Rust's: see `worker/objects/`. */
import { DurableObject } from "cloudflare:workers";
import * as glue from "vestibule-core";
import { RequestContext } from "./context.js";
import { configure, instanceNumber, living } from "./core.js";

/** @typedef {InstanceType<typeof SessionObject>} CalledObject */

/**
 * @typedef {object} Implementation
 * @property {(name: string, command: string) => Promise<Uint8Array>} call
 * @property {() => Promise<void>} [alarm]
 */

/** @param {new (state: DurableObjectState, env: Env, context: RequestContext) => Implementation} Implemented */
function implementedBy(Implemented) {
  return class extends DurableObject {
    /** @type {Implementation | undefined} */
    #object;
    #instance = 0;
    /** What outlives an instance: what was sent to a provider, and what comes of it. */
    #context = new RequestContext(this.env);

    /** Made anew, from what is stored, when the instance it lived in was replaced. */
    #current() {
      configure(this.env);
      if (!this.#object || this.#instance !== instanceNumber()) {
        this.#instance = instanceNumber();
        this.#context.isToBlame = false;
        this.#object = new Implemented(this.ctx, this.env, this.#context);
      }
      return this.#object;
    }

    /**
     * @param {string} name
     * @param {string} command
     */
    async call(name, command) {
      return living(() => this.#current().call(name, command), this.#context);
    }

    async alarm() {
      await living(() => this.#current().alarm?.(), this.#context);
    }
  };
}

export const AttemptObject = implementedBy(glue.AttemptObject);
export const DirectoryObject = implementedBy(glue.DirectoryObject);
export const PoolObject = implementedBy(glue.PoolObject);
export const SessionObject = implementedBy(glue.SessionObject);
export const TelemetryObject = implementedBy(glue.TelemetryObject);
