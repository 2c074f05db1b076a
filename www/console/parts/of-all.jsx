/** Loads and shows something of each tenant, so that one tenant's failure does not hide the others. */
import { tenants } from "../account.js";
import { Refusal } from "../api.js";
import { counted } from "../format.js";
import { route, to } from "../route.js";
import { Loaded, Rows } from "./loaded.jsx";
import { NoTenant } from "./no-tenant.jsx";

/** @import { ComponentChildren } from "preact" */
/** @import { Reading } from "../polled.js" */

/** Maximum number of tenants on one page: each costs requests. */
const MAX_TENANTS = 20;

/** Number of tenants that are loaded at the same time. */
const AT_ONCE = 5;

/**
 * @template T
 * @typedef {{ found: { tenant: string, value: T | Refusal }[], left: number }} All `left`: tenants that are not shown
 */

/**
 * @template T
 * @param {(tenant: string) => Promise<T>} load
 * @returns {Promise<All<T>>}
 */
export async function ofEach(load) {
  const ids = tenants.value.slice(0, MAX_TENANTS);
  /** @type {All<T>["found"]} */
  const found = ids.map((tenant) => ({ tenant, value: new Refusal(0, {}) }));
  let next = 0;
  const work = async () => {
    while (next < ids.length) {
      const at = next;
      next += 1;
      found[at].value = await load(ids[at]).catch((error) => {
        if (error instanceof Refusal && error.status !== 401) return error;
        throw error;
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { found, left: tenants.value.length - ids.length };
}

/**
 * @param {{ reading: Reading<All<unknown>>, what: string, children: ComponentChildren }} props
 */
export function OfAll({ reading, what, children }) {
  if (tenants.value.length === 0) return <NoTenant />;
  return (
    <Loaded reading={reading} waiting={<Rows count={6} />}>
      {({ found, left }) => (
        <>
          {children}
          <Failed found={found} />
          {left > 0 && (
            <p class="soft">
              {counted(left, "further tenant")} not shown. Choose a tenant to see its {what}.
            </p>
          )}
        </>
      )}
    </Loaded>
  );
}

/** @param {{ found: All<unknown>["found"] }} props */
function Failed({ found }) {
  const failed = found.filter(({ value }) => value instanceof Refusal);
  if (failed.length === 0) return null;
  return (
    <ul class="failed">
      {failed.map(({ tenant, value }) => (
        <li key={tenant}>
          <a href={to(route.value.page, "", { tenant })}>{tenant}</a>:{" "}
          {/** @type {Refusal} */ (value).message}
        </li>
      ))}
    </ul>
  );
}
