/** Loads the page of a tenant's document, which most visits do not need. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Refusal } from "../api.js";
import { Rows, Trouble } from "./loaded.jsx";
import { Head } from "./page.jsx";

/** @param {{ id: string }} props */
export function TenantDocument({ id }) {
  const page = useSignal(
    /** @type {typeof import("../pages/tenant.jsx").TenantPage | null} */ (null),
  );
  const fault = useSignal(/** @type {Refusal | null} */ (null));
  const load = () => {
    fault.value = null;
    import("../pages/tenant.jsx").then(
      ({ TenantPage }) => {
        page.value = TenantPage;
      },
      () => {
        const detail = "A part of the console could not be loaded. Check the network.";
        fault.value = new Refusal(0, { title: "No connection", detail });
      },
    );
  };
  useEffect(load, []);
  const Page = page.value;
  if (Page) return <Page id={id} />;
  return (
    <>
      <Head title={id} />
      {fault.value ? <Trouble fault={fault.value} again={load} /> : <Rows count={3} tall />}
    </>
  );
}
