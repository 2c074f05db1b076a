/**
 * The Durable Object that knows a tenant's revocations and lists its sessions. What it makes of a command is decided
 * in `store/directory/object.rs`; here its rows are kept, and sessions that are too many are told to end.
 */
import { DurableObject } from "cloudflare:workers";
import { configure, directoryCommand, directoryTables } from "./core.js";
import { report } from "./log.js";
import { count } from "./tally.js";
import { tellInPassing } from "./telemetry.js";

export class DirectoryObject extends DurableObject {
  #rows;
  /** When what has run out was last forgotten. */
  #forgot = 0;

  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    configure(env);
    ctx.storage.sql.exec(directoryTables());
    this.#rows = new Rows(ctx.storage);
  }

  /**
   * Nothing is awaited between reading and writing, so no other command comes in between.
   * @param {string} tenant
   * @param {string} command
   * @returns {Promise<Uint8Array>}
   */
  async call(tenant, command) {
    const { answer, surplus, end, forgot } = directoryCommand(this.#rows, command, this.#forgot);
    if (answer === undefined) throw this.#rows.failure ?? new Error("unknown command");
    this.#forgot = forgot;
    for (const session of surplus) this.ctx.waitUntil(this.#end(tenant, session, end));
    return new TextEncoder().encode(answer);
  }

  /**
   * @param {string} tenant
   * @param {string} session
   * @param {string} command
   */
  async #end(tenant, session, command) {
    const name = `${tenant}/${session}`;
    try {
      await this.env.SESSION_OBJECTS.getByName(name).call(name, command);
      count("vestibule_sessions_ended_total", `${tenant}\tsurplus`);
      tellInPassing(this.env, this.ctx);
    } catch (error) {
      report("surplus_not_ended", error);
    }
  }
}

/** The object's storage as the core uses it: what fails returns nothing, so that nothing is thrown through it. */
class Rows {
  #storage;
  /** @type {unknown} why the last command came to nothing */
  failure;

  /** @param {DurableObjectStorage} storage */
  constructor(storage) {
    this.#storage = storage;
  }

  /**
   * @param {string} statement
   * @param {string} values
   */
  run(statement, values) {
    return this.#attempt(() =>
      JSON.stringify([...this.#storage.sql.exec(statement, ...JSON.parse(values)).raw()]),
    );
  }

  last() {
    return this.#attempt(() => Number(this.#storage.kv.get("last") ?? 0));
  }

  /** @param {number} epoch */
  setLast(epoch) {
    return this.#attempt(() => {
      this.#storage.kv.put("last", epoch);
      return true;
    });
  }

  /**
   * @template T
   * @param {() => T} act
   */
  #attempt(act) {
    try {
      return act();
    } catch (error) {
      this.failure = error;
      return undefined;
    }
  }
}
