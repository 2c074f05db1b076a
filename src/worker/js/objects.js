/** Exports the Durable Objects, implemented in Rust: see `worker/objects/`. */
import { DurableObject } from "cloudflare:workers";
import { RequestContext } from "./context.js";
import { configure, glue, instances, outlive } from "./instance.js";

/** @param {ImplementedObject} Implementation */
function implementedBy(Implementation) {
  return class extends DurableObject {
    /** @type {ObjectImplementation | undefined} */
    #object;
    #instance = 0;
    /** Survives an instance: requests sent to a provider, and their responses. */
    #context = new RequestContext(this.env);

    /** Returns the object; recreates it from storage after its instance was replaced. */
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
