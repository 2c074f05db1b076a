/** A deployment with documents of tenants, whose every API is open, for the tests of its description. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { enrol } from "../harness/accounts.mjs";
import { KvServer } from "../harness/kv.mjs";
import { Origin } from "../harness/origin.mjs";
import { Vestibule } from "../harness/workerd.mjs";

export const ADMIN_TOKEN = "an-operators-token-of-32-chars!!";
export const ORIGIN_KEY = "an-origin-key-of-32-characters!!";
export const TENANT_TOKEN = "a-tenants-own-token-of-32-chars!";
export const PASSWORD = "difference engine";

/** The description's file. */
export const DESCRIPTION = path.resolve(import.meta.dirname, "../../www/openapi.json");

export const description = JSON.parse(readFileSync(DESCRIPTION, "utf8"));

/** The tenant, which no example of the description names. */
export const TENANT = "main";

/**
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @param {object} [document] changes of the tenant's document
 */
export async function openSite(t, document = {}) {
  const origin = await Origin.start(t, (request, reply) => {
    const { searchParams } = new URL(request.url ?? "/", "http://origin");
    for (const [name, value] of searchParams) reply.setHeader(name, value);
    reply.end();
  });
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  const stored = {
    id: TENANT,
    hosts: ["127.0.0.1"],
    origins: [{ name: "chat", url: origin.url }],
    login: { mode: "optional", methods: { password: true } },
    ...document,
  };
  tenants.plant("host:127.0.0.1", TENANT);
  tenants.plant(`tenant:${TENANT}`, JSON.stringify(stored));
  enrol({ tenants }, TENANT, { user: "ada", password: PASSWORD });
  const vars = {
    ADMIN_TOKEN,
    MAIN__ADMIN_TOKEN: TENANT_TOKEN,
    MAIN__ORIGIN_KEY: ORIGIN_KEY,
    ASSERTION: "true",
  };
  const vestibule = await Vestibule.start(t, { tenants, origins: [], vars });
  return { vestibule, origin, tenants, url: `${vestibule.url}/_session` };
}
