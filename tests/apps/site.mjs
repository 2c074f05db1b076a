/** Opens a tenant with sign-in by password for an application. */
import { argon2Sync } from "node:crypto";
import { KvServer } from "../harness/kv.mjs";
import { Vestibule } from "../harness/workerd.mjs";

/** Host of the tenant. */
export const HOST = "app.localhost";

/** Address for programs that cannot resolve names below localhost. */
const ADDRESS = "127.0.0.1";

/** The password of every account. */
export const PASSWORD = "correct horse";

/** A cheap hash of it, as a PHC string. */
const HASH = (() => {
  const nonce = Buffer.from("somesalt");
  const cost = { parallelism: 1, tagLength: 32, memory: 256, passes: 2 };
  const hash = argon2Sync("argon2id", { message: PASSWORD, nonce, ...cost });
  const text = (/** @type {Buffer} */ bytes) => bytes.toString("base64").replaceAll("=", "");
  return `$argon2id$v=19$m=256,t=2,p=1$${text(nonce)}$${text(hash)}`;
})();

/** @typedef {{ email?: string, name?: string, groups?: string[] }} Account */

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {string} origin
 * @param {Record<string, Account>} accounts by name
 * @param {{ mode?: "required" | "optional", headers?: Record<string, string>, login?: object,
 *   vault?: string[] }} [document]
 */
export async function openSite(t, origin, accounts, { mode = "required", login, ...more } = {}) {
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const document = {
    id: "app",
    hosts: [HOST, ADDRESS],
    origins: [{ url: origin }],
    login: { mode, methods: { password: true }, ...login },
    session: { cache: "1s" },
    ...more,
  };
  for (const host of document.hosts) tenants.plant(`host:${host}`, "app");
  tenants.plant("tenant:app", JSON.stringify(document));
  for (const [user, account] of Object.entries(accounts)) {
    const stored = { user, ...account, password: HASH, changed: 1_795_262_400 };
    tenants.plant(`user:app:${user}`, JSON.stringify(stored));
  }
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });
  const { port } = vestibule;
  return { port, url: `http://${HOST}:${port}`, address: `http://${ADDRESS}:${port}` };
}
