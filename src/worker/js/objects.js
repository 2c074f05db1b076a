/** The Durable Objects, which are Rust's: see `worker/objects/`. */
import { DurableObject } from "cloudflare:workers";
import { RequestContext } from "./context.js";
import { configure, glue, instances, outlive } from "./instance.js";

/** @param {ImplementedObject} Implementation */
function implementedBy(Implementation) {
  return class extends DurableObject {
    /** @type {ObjectImplementation | undefined} */
    #object;
    #instance = 0;
    /** What outlives an instance: what was sent to a provider, and what comes of it. */
    #context = new RequestContext(this.env);

    /** Made again, from what is stored, when the instance it lived in was replaced. */
    #current() {
      configure(this.env);
      if (!this.#object || this.#instance !== instances) {
        this.#instance = instances;
        this.#context.isToBlame = false;
        this.#object = new Implementation(this.ctx, this.env, this.#context);
      }
      return this.#object;
    }

    /** @param {string} name @param {string} command */
    call(name, command) {
      return outlive(this.#context, () => this.#current().call(name, command));
    }

    alarm() {
      return outlive(this.#context, () => this.#current().alarm?.() ?? Promise.resolve());
    }
  };
}

export const AttemptObject = implementedBy(glue.AttemptObject);
export const DirectoryObject = implementedBy(glue.DirectoryObject);
export const PoolObject = implementedBy(glue.PoolObject);
export const SessionObject = implementedBy(glue.SessionObject);
export const TelemetryObject = implementedBy(glue.TelemetryObject);
