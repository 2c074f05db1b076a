/** Asks for a tenant on pages about one tenant. */
import { tenants } from "../account.js";
import { route, to } from "../route.js";
import { Empty } from "./loaded.jsx";

/** @param {{ what: string }} props what is shown of the tenant */
export function ChooseTenant({ what }) {
  const { page } = route.value;
  if (tenants.value.length === 0)
    return (
      <Empty title="There is no tenant yet">
        <p>
          <a href={to("tenants", "new")}>Create the first tenant.</a>
        </p>
      </Empty>
    );
  return (
    <Empty title="Choose a tenant">
      <p>Its {what} are shown here.</p>
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
