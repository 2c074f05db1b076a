/** Whom this deployment serves. */
import { listTenants, tenants } from "../account.js";
import { Head } from "../parts/page.jsx";
import { Empty, Known } from "../parts/standing.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";

export function TenantsPage() {
  const reading = usePolled(
    async () => {
      await listTenants();
      return tenants.value;
    },
    15_000,
    [],
  );
  return (
    <>
      <Head
        title="Tenants"
        lead="Each is one document: its hosts, who may come in, its chat servers and its looks."
        reading={reading}
      >
        <a class="button main" href={to("tenants", "new")}>
          New tenant
        </a>
      </Head>
      <Known reading={reading}>
        {(ids) =>
          ids.length === 0 ? (
            <Empty title="There is no tenant yet">
              <p>
                <a href={to("tenants", "new")}>Make the first one from a template.</a>
              </p>
            </Empty>
          ) : (
            <ul class="cards tenants">
              {ids.map((id) => (
                <li key={id} class="card">
                  <h2>{id}</h2>
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
      </Known>
    </>
  );
}
