/** Creates accounts with a password, stored like the Worker's. */
import { argon2Sync, randomBytes } from "node:crypto";

/** The cheapest accepted cost, so that tests of other things do not wait for it. */
const CHEAP = { memory: 8, passes: 1 };

/** The Worker's own cost. */
export const USUAL = { memory: 19_456, passes: 2 };

/**
 * Hashes a password as stored: a PHC string.
 * @param {string} password
 * @param {{ memory: number, passes: number }} [cost]
 */
export function hashed(password, { memory, passes } = CHEAP) {
  const nonce = randomBytes(16);
  const message = password.normalize("NFC");
  const hash = argon2Sync("argon2id", {
    message,
    nonce,
    memory,
    passes,
    parallelism: 1,
    tagLength: 32,
  });
  const text = (/** @type {Buffer} */ bytes) => bytes.toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=${memory},t=${passes},p=1$${text(nonce)}$${text(hash)}`;
}

/**
 * Stores an account.
 * @param {{ tenants: import("./kv.mjs").KvServer }} sites
 * @param {string} tenant
 * @param {Record<string, unknown> & { user: string, password: string }} account with its password as typed,
 *   or as stored
 */
export function enrol(sites, tenant, account) {
  const { password } = account;
  const stored = password.startsWith("$argon2id$") ? password : hashed(password);
  const text = JSON.stringify({ ...account, password: stored });
  sites.tenants.plant(`user:${tenant}:${account.user}`, text);
}
