/** Asks for a tenant on pages about one tenant. */
import { tenants } from "../account.js";
import { route, to } from "../route.js";
import { Empty } from "./loaded.jsx";
import { NoTenant } from "./no-tenant.jsx";

/** @param {{ children: string }} props what the page shows of a tenant */
export function ChooseTenant({ children }) {
  const { page } = route.value;
  if (tenants.value.length === 0) return <NoTenant />;
  return (
    <Empty title="Choose a tenant">
      <p>{children}</p>
      <ul class="choices">
        {tenants.value.map((tenant) => (
          <li key={tenant}>
            <a class="button" href={to(page, "", { tenant })}>
              {tenant}
            </a>
          </li>
        ))}
      </ul>
    </Empty>
  );
}
