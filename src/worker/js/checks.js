/**
 * Active health checks, once a minute: every origin that has a health path is asked whether it is ready,
 * and the tenant's pool object is told.
 */
import { ask } from "./asking.js";
import { healthChecks } from "./core.js";
import { report } from "./log.js";
import { UNCACHED } from "./uncached.js";
import { within } from "./waiting.js";

/** How long an origin may take to say that it is ready, in milliseconds. */
const DEADLINE = 5_000;

/** @param {Env} env */
export async function checkHealth(env) {
  await Promise.all(healthChecks().map((check) => checkOne(env, check)));
}

/**
 * @param {Env} env
 * @param {{ tenant: string, origin: string, url: string }} check
 */
async function checkOne(env, { tenant, origin, url }) {
  const signal = AbortSignal.timeout(DEADLINE);
  const asked = ask(url, { cf: UNCACHED, signal }).then(async (response) => {
    await response.body?.cancel();
    return response.ok;
  });
  const ready = await within(DEADLINE, asked).catch(() => false);
  const command = JSON.stringify({ do: "checked", origin, ready });
  try {
    await env.POOL_OBJECTS.getByName(tenant).call(tenant, command);
  } catch (error) {
    report("check_not_told", error);
  }
}
