/** Edits one tenant's document, with previews and earlier versions. */

import { Loaded, Rows } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { to } from "../route.js";
import { fetched } from "../tenant/saving.jsx";
import { NewTenant } from "./new-tenant.jsx";
import { Workbench } from "./workbench.jsx";

/** @param {{ id: string }} props */
export function TenantPage({ id }) {
  return id === "new" ? <NewTenant /> : <Stored id={id} />;
}

/** @param {{ id: string }} props */
function Stored({ id }) {
  const reading = usePolled((signal) => fetched(id, signal), 0, [id]);
  return (
    <>
      <p class="crumbs">
        <a href={to("tenants")}>Tenants</a>
      </p>
      {!reading.value && <Head title={id} />}
      <Loaded reading={reading} waiting={<Rows count={3} tall />}>
        {({ text, etag }) => <Workbench id={id} text={text} etag={etag} />}
      </Loaded>
    </>
  );
}
