/**
 * The Durable Object that orders one session's changes. What it decides is decided in `ledger/`; here
 * the row is kept, and errands are run one at a time.
 */
import { DurableObject } from "cloudflare:workers";
import {
  configure,
  objectCommand,
  objectDone,
  objectErrand,
  objectRefreshed,
  objectResumed,
  objectUnannounced,
} from "./core.js";
import { report } from "./log.js";
import { meet, say } from "./outbound.js";
import { counted } from "./tally.js";
import { tellInPassing } from "./telemetry.js";
import { within } from "./waiting.js";

/** How long an errand may take, in milliseconds. */
const DEADLINE = 5_000;

/** How long an identity provider may take, in milliseconds. */
const PROVIDER_DEADLINE = 10_000;

/** When errands are taken up again should this object die while it runs them, in milliseconds. */
const RESUME_AFTER = 3_000;

export class SessionObject extends DurableObject {
  /** @type {string | undefined} tenant and handle; an alarm does not bring it along */
  #name;
  /** @type {Uint8Array | undefined} */
  #row;
  /** @type {number | undefined} when the alarm is set for, as far as this object knows */
  #alarmAt;
  /** @type {Promise<void> | undefined} the errands being run */
  #running;
  /** @type {Promise<Uint8Array> | undefined} an identity provider being asked */
  #refreshing;
  /** @type {((done: boolean) => void)[]} who waits for the end to be announced */
  #waiting = [];

  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    configure(env);
    this.#name = ctx.storage.kv.get("name");
    /** @type {Uint8Array | undefined} */
    const row = ctx.storage.kv.get("row");
    this.#row = row && objectResumed(row);
  }

  /**
   * Applies a command. Nothing is awaited between reading the row and writing it, so no other command
   * comes in between, and the answer goes out only when the row is safe.
   * @param {string} name
   * @param {string} command
   * @returns {Promise<Uint8Array>}
   */
  async call(name, command) {
    const { fetch, ...verdict } = objectCommand(name, command, this.#row);
    if (fetch === "") return this.#settle(name, verdict);
    // Whoever comes while a provider is being asked gets what comes of that.
    this.#refreshing ??= this.#refresh(name, command, fetch).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * Asks an identity provider for new tokens. Other commands may come in between.
   * @param {string} name
   * @param {string} command
   * @param {string} fetch
   */
  async #refresh(name, command, fetch) {
    let heard = { status: 0, body: "" };
    try {
      heard = await within(PROVIDER_DEADLINE, say(JSON.parse(fetch)));
    } catch (error) {
      report("provider_unreachable", error);
    }
    /** @type {import("./core.js").Answer[]} */
    const answers = [];
    for (;;) {
      const row = this.#row ?? new Uint8Array();
      const verdict = objectRefreshed(name, command, row, fetch, heard, answers);
      if (verdict.needs === "") return this.#settle(name, verdict);
      answers.push(...(await Promise.all(verdict.needs.split("\n").map(meet))));
    }
  }

  /**
   * Keeps what came of a command, sees to what follows from it, and answers.
   * @param {string} name
   * @param {{ reply: Uint8Array, row?: Uint8Array, wait: boolean }} verdict
   */
  async #settle(name, { reply, row, wait }) {
    if (!row) return reply;
    if (this.#name === undefined) this.ctx.storage.kv.put("name", name);
    this.#name = name;
    this.#keep(row);
    this.#wakeAt(Date.now() + RESUME_AFTER);
    const announced = wait && new Promise((resolve) => this.#waiting.push(resolve));
    this.ctx.waitUntil(this.#run());
    return announced && !(await announced) ? objectUnannounced(reply) : reply;
  }

  async alarm() {
    this.#alarmAt = undefined;
    await this.#run();
  }

  /**
   * An alarm that comes earlier will do: errands are looked at anew then. So a session that is changed
   * often does not write its alarm as often.
   * @param {number} at in milliseconds since the epoch
   */
  #wakeAt(at) {
    if (this.#alarmAt !== undefined && this.#alarmAt <= at) return;
    this.#alarmAt = at;
    this.ctx.storage.setAlarm(at);
  }

  /** @param {Uint8Array} row */
  #keep(row) {
    this.#row = row;
    this.ctx.storage.kv.put("row", row);
  }

  #run() {
    this.#running ??= this.#runErrands().finally(() => {
      this.#running = undefined;
      this.#announced(false);
    });
    return this.#running;
  }

  async #runErrands() {
    while (this.#name !== undefined && this.#row) {
      const { text, value } = objectErrand(this.#name, this.#row);
      const [letter, ...fields] = text.split("\t");
      const announces = letter === "d" && fields[0].startsWith("a");
      // An announcement comes before everything else: there is none left.
      if (!announces) this.#announced(true);
      if (letter === "z") return this.#wakeAt(Number(fields[0]));
      if (letter === "f") {
        this.#row = undefined;
        this.#name = undefined;
        this.#alarmAt = undefined;
        return this.ctx.storage.deleteAll();
      }
      const done = await this.#perform(letter, fields, value);
      // Commands may have changed the row meanwhile; the ticket tells whether it is still about it.
      if (this.#row) this.#keep(objectDone(this.#row, fields[0], done));
      if (announces && !done) this.#announced(false);
    }
  }

  /**
   * @param {string} letter
   * @param {string[]} fields
   * @param {Uint8Array} value
   * @returns {Promise<boolean>}
   */
  async #perform(letter, fields, value) {
    try {
      if (letter === "w") {
        const [, key, ttl] = fields;
        await counted("kv_write", () =>
          within(DEADLINE, this.env.SESSIONS.put(key, value, { expirationTtl: Number(ttl) })),
        );
      } else {
        const [tenant] = String(this.#name).split("/");
        const directory = this.env.DIRECTORY_OBJECTS.getByName(tenant);
        await within(DEADLINE, directory.call(tenant, fields[1]));
      }
      return true;
    } catch (error) {
      report("errand_failed", error);
      return false;
    } finally {
      tellInPassing(this.env, this.ctx);
    }
  }

  /** @param {boolean} done */
  #announced(done) {
    for (const resolve of this.#waiting.splice(0)) resolve(done);
  }
}
