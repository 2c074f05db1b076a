/** Lists the deployment's tenants. */
import { followedText, listTenants, tenants } from "../account.js";
import { get } from "../api.js";
import { count } from "../format.js";
import { Empty, Loaded } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";

/** @import { Overview, TenantTotals } from "../backend.d.ts" */

const EVERY = 15_000;

export function TenantsPage() {
  const reading = usePolled(
    async () => {
      await listTenants();
      return tenants.value;
    },
    EVERY,
    [],
  );
  const figures = usePolled(
    async (signal) => /** @type {Overview} */ (await get("admin/overview", { signal })).tenants,
    EVERY,
    [],
  );
  const of = (/** @type {string} */ id) => figures.value?.find(({ tenant }) => tenant === id);
  return (
    <>
      <Head
        title="Tenants"
        lead="Each tenant is one document with its hosts, access rules, chat servers and branding."
        reading={reading}
      >
        <a class="button main" href={to("tenants", "new")}>
          New tenant
        </a>
      </Head>
      <Loaded reading={reading}>
        {(ids) =>
          ids.length === 0 ? (
            <Empty title="There is no tenant yet">
              <p>
                <a href={to("tenants", "new")}>Create the first tenant from a template.</a>
              </p>
            </Empty>
          ) : (
            <ul class="cards tenants">
              {ids.map((id) => (
                <li key={id} class="card">
                  <h2>{id}</h2>
                  {figures.value && <Figures of={of(id)} />}
                  <p class="buttons">
                    <a class="button" href={to("tenants", id)}>
                      Edit<span class="visually-hidden"> {id}</span>
                    </a>
                    <a class="button" href={to("overview", "", { tenant: id })}>
                      Overview<span class="visually-hidden"> of {id}</span>
                    </a>
                    <a class="button" href={to("sessions", "", { tenant: id })}>
                      Sessions<span class="visually-hidden"> of {id}</span>
                    </a>
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </>
  );
}

/** @param {{ of: Partial<TenantTotals> | undefined }} props undefined without requests so far */
function Figures({ of = {} }) {
  const { sessions_active = 0, sessions_stored = 0, streams_active = 0 } = of;
  const { requests = 0, errors = 0 } = of;
  const figures = {
    "Active sessions": sessions_active,
    ...(sessions_stored > 0 && { "Stored sessions": sessions_stored }),
    Streams: streams_active,
    Requests: requests,
    Errors: errors,
  };
  return (
    <dl class="facts inline">
      {Object.entries(figures).map(([name, number]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd class="number">{name === "Streams" ? followedText(number) : count(number)}</dd>
        </div>
      ))}
    </dl>
  );
}
