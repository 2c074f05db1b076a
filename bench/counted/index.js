/**
 * Wraps the Worker: counts every request to its Durable Objects, and the rows that they read and
 * write, as Cloudflare bills them. Its clock can be advanced.
 */
import { putForward, settled } from "./clock.js";
// @ts-expect-error: it is next to this file only in workerd.
import * as real from "./vestibule.js";

/** @typedef {{ requests: number, rowsRead: number, rowsWritten: number }} Counts */

/** @type {Record<string, Counts>} by class */
let counts = {};

/** @type {{ cursor: any, counted: Counts }[]} open statements, whose rows read are known at their end */
let cursors = [];

/** Number of calls in progress. */
let busy = 0;

/** @type {Map<string, { at: number, namespace: string, id: string }>} time and object of each alarm */
const alarms = new Map();

/** @type {Record<string, string>} */
const NAMESPACES = { SessionObject: "SESSION_OBJECTS", AttemptObject: "ATTEMPT_OBJECTS" };

/** @param {string} name of a class */
function of(name) {
  counts[name] ??= { requests: 0, rowsRead: 0, rowsWritten: 0 };
  return counts[name];
}

/**
 * @param {string} name
 * @param {() => Promise<unknown>} act
 */
async function request(name, act) {
  of(name).requests += 1;
  busy += 1;
  try {
    return await act();
  } finally {
    busy -= 1;
  }
}

/**
 * @param {string} name
 * @param {any} Class
 */
function counted(name, Class) {
  return class extends Class {
    /**
     * @param {any} ctx
     * @param {any} env
     */
    constructor(ctx, env) {
      watch(name, ctx);
      super(ctx, env);
    }

    /**
     * @param {string} whom
     * @param {string} command
     */
    call(whom, command) {
      return request(name, () => super.call(whom, command));
    }

    /** Runs an alarm that is due. */
    wake() {
      return request(name, () => super.alarm());
    }
  };
}

/**
 * Counts rows: a stored value or a set alarm is one written row, a read value is one read row.
 * @param {string} name
 * @param {any} ctx
 */
function watch(name, { id, storage }) {
  const { kv, sql } = storage;
  const { get, put } = kv;
  kv.get = (/** @type {string} */ key) => {
    of(name).rowsRead += 1;
    return get.call(kv, key);
  };
  kv.put = (/** @type {string} */ key, /** @type {unknown} */ value) => {
    of(name).rowsWritten += 1;
    return put.call(kv, key, value);
  };
  const { exec } = sql;
  sql.exec = (/** @type {unknown[]} */ ...statement) => {
    const cursor = exec.apply(sql, statement);
    cursors.push({ cursor, counted: of(name) });
    return cursor;
  };
  const key = `${name}/${id}`;
  storage.setAlarm = (/** @type {number} */ at) => {
    of(name).rowsWritten += 1;
    alarms.set(key, { at: Number(at), namespace: NAMESPACES[name], id: String(id) });
  };
  const { deleteAll } = storage;
  storage.deleteAll = () => {
    of(name).rowsWritten += 1;
    alarms.delete(key);
    return deleteAll.call(storage);
  };
}

/** @param {any} env */
async function wakeThoseDue(env) {
  for (const [key, { at, namespace, id }] of alarms) {
    if (at > Date.now()) continue;
    alarms.delete(key);
    await env[namespace].get(env[namespace].idFromString(id)).wake();
  }
}

async function quiet() {
  do await settled();
  while (busy > 0);
}

/** Returns the counts since the last call. */
function taken() {
  for (const { cursor, counted } of cursors) {
    counted.rowsRead += cursor.rowsRead;
    counted.rowsWritten += cursor.rowsWritten;
  }
  const all = counts;
  counts = {};
  cursors = [];
  return all;
}

export const SessionObject = counted("SessionObject", real.SessionObject);
export const DirectoryObject = counted("DirectoryObject", real.DirectoryObject);
export const PoolObject = counted("PoolObject", real.PoolObject);
export const AttemptObject = counted("AttemptObject", real.AttemptObject);
export const TelemetryObject = counted("TelemetryObject", real.TelemetryObject);

export default {
  /**
   * @param {Request} request
   * @param {any} env
   * @param {any} context
   */
  async fetch(request, env, context) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/bench/forward") {
      await quiet();
      await putForward(Number(searchParams.get("ms")));
      await wakeThoseDue(env);
      await quiet();
      return new Response();
    }
    if (pathname === "/bench/counts") return Response.json(taken());
    return real.default.fetch(request, env, context);
  },
};
