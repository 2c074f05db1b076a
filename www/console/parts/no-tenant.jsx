/** Leads to the first tenant where there is none yet. */
import { to } from "../route.js";
import { Empty } from "./loaded.jsx";

export function NoTenant() {
  return (
    <Empty title="There is no tenant yet">
      <p>
        <a href={to("tenants", "new")}>Create the first tenant.</a>
      </p>
    </Empty>
  );
}
