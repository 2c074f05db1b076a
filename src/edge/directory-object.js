/**
 * The Durable Object that knows a tenant's revocations and lists its sessions. What to say to it, and
 * what its answers mean, is in `store/directory.rs`; the rules it keeps are its tables'.
 */
import { DurableObject } from "cloudflare:workers";
import { report } from "./log.js";
import { count } from "./tally.js";
import { tellInPassing } from "./telemetry.js";

/** How often what has run out is deleted, in milliseconds. */
const TIDY_EVERY = 3_600_000;

const TABLES = `
  CREATE TABLE IF NOT EXISTS revoked (subject TEXT PRIMARY KEY, epoch INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS revoked_by_epoch ON revoked (epoch);
  CREATE TABLE IF NOT EXISTS sessions
    (session TEXT PRIMARY KEY, user TEXT, created INTEGER, until INTEGER);
  CREATE INDEX IF NOT EXISTS sessions_by_user ON sessions (user, created);
  CREATE INDEX IF NOT EXISTS sessions_by_age ON sessions (created, session);
`;

export class DirectoryObject extends DurableObject {
  #sql;
  #tidied = 0;

  /**
   * @param {DurableObjectState} ctx
   * @param {Env} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(TABLES);
  }

  /**
   * @param {string} tenant
   * @param {string} text
   * @returns {Promise<Uint8Array>}
   */
  async call(tenant, text) {
    const command = JSON.parse(text);
    this.#tidy();
    return new TextEncoder().encode(JSON.stringify(this.#obey(tenant, command)));
  }

  /**
   * @param {string} tenant
   * @param {any} command
   */
  #obey(tenant, command) {
    switch (command.do) {
      case "feed":
        return this.#feed(command.since);
      case "revoke":
        return this.#revoke(command.subjects, command.until);
      case "list-in":
        return this.#listIn(tenant, command);
      case "list-out":
        this.#sql.exec("DELETE FROM sessions WHERE session = ?", command.session);
        return {};
      case "list":
        return this.#list(command);
      default:
        throw new Error("unknown command");
    }
  }

  /** @param {number} since */
  #feed(since) {
    const rows = this.#sql.exec(
      "SELECT subject, epoch FROM revoked WHERE epoch > ? ORDER BY epoch",
      since,
    );
    return { epoch: this.#last(), revoked: [...rows.raw()] };
  }

  /**
   * Points in history are milliseconds, so that they go on rising whatever is deleted, and each is
   * given once.
   * @param {string[]} subjects
   * @param {number} until
   */
  #revoke(subjects, until) {
    const epoch = Math.max(Date.now(), this.#last() + 1);
    this.ctx.storage.kv.put("last", epoch);
    for (const subject of subjects) {
      this.#sql.exec(
        `INSERT INTO revoked VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET epoch = ?2, until = max(until, ?3)`,
        subject,
        epoch,
        until,
      );
    }
    return { epoch };
  }

  /** @returns {number} */
  #last() {
    return this.ctx.storage.kv.get("last") ?? 0;
  }

  /**
   * Lists a session; of a user with too many the oldest are ended. Should that fail they stay on the
   * list, and the next one listed tries again.
   * @param {string} tenant
   * @param {{ session: string, user: string, created: number, until: number, most: number | null, end: string }} command
   */
  #listIn(tenant, { session, user, created, until, most, end }) {
    this.#sql.exec(
      `INSERT INTO sessions VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT DO UPDATE SET user = ?2, created = ?3, until = ?4`,
      session,
      user,
      created,
      until,
    );
    if (most === null || user === "") return {};
    const surplus = this.#sql.exec(
      "SELECT session FROM sessions WHERE user = ? AND until > ? ORDER BY created DESC, rowid DESC LIMIT -1 OFFSET ?",
      user,
      now(),
      most,
    );
    for (const [oldest] of [...surplus.raw()]) this.ctx.waitUntil(this.#end(tenant, oldest, end));
    return {};
  }

  /**
   * @param {string} tenant
   * @param {unknown} session
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

  /** @param {{ users: string[] | null, after: string | null, limit: number }} command */
  #list({ users, after, limit }) {
    const [created, session] = after?.split(":") ?? ["-1", ""];
    const mine = users ? `user IN (${users.map(() => "?").join(", ")}) AND` : "";
    const rows = this.#sql.exec(
      `SELECT session, created FROM sessions
       WHERE ${mine} until > ? AND (created, session) > (?, ?)
       ORDER BY created, session LIMIT ?`,
      ...(users ?? []),
      now(),
      Number(created) || 0,
      session ?? "",
      limit + 1,
    );
    const found = [...rows.raw()];
    const page = found.slice(0, limit);
    const last = page.at(-1);
    return {
      sessions: page,
      next: found.length > limit && last ? `${last[1]}:${last[0]}` : null,
    };
  }

  #tidy() {
    if (Date.now() - this.#tidied < TIDY_EVERY) return;
    this.#tidied = Date.now();
    this.#sql.exec("DELETE FROM revoked WHERE until < ?", now());
    this.#sql.exec("DELETE FROM sessions WHERE until < ?", now());
  }
}

/** In seconds, as everything here is counted but points in history. */
function now() {
  return Math.floor(Date.now() / 1000);
}
