/** Loads the origins of a tenant with their figures, and the lists that some come from. */
import { get } from "./api.js";

/** @import { Origin, Overview, ServerList } from "./backend.d.ts" */

/**
 * @param {string} tenant
 * @param {AbortSignal} signal
 * @returns {Promise<{ origins: Origin[], lists: ServerList[] }>}
 */
export async function originsOf(tenant, signal) {
  const query = { tenant };
  const [{ origins, lists }, overview] = await Promise.all([
    get("admin/origins", { query, signal }),
    get("admin/overview", { query, signal }),
  ]);
  return { origins: withFigures(origins, overview, tenant), lists };
}

/**
 * Adds its figures to each origin.
 * @param {Origin[]} origins
 * @param {Overview} overview without origins if its object is of an earlier release
 * @param {string} tenant
 * @returns {Origin[]}
 */
export function withFigures(origins, { origins: figures = [] }, tenant) {
  return origins.map((origin) => ({
    ...origin,
    figures: figures.find((one) => one.tenant === tenant && one.name === origin.name),
  }));
}
