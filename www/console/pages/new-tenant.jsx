/** Creates a tenant: its id, its template, then its document. */
import { signal, useSignal } from "@preact/signals";
import { tenants } from "../account.js";
import { Head } from "../parts/page.jsx";
import { to } from "../route.js";
import { forget } from "../tenant/draft.js";
import { TEMPLATES, written } from "../tenant/templates.js";
import { Workbench } from "./workbench.jsx";

/** The started tenant, which survives a visit of another page. */
const begun = signal(/** @type {{ id: string, text: string } | null} */ (null));

function discard() {
  if (begun.value) forget(begun.value.id);
  begun.value = null;
}

export function NewTenant() {
  const fault = useSignal("");
  const submit = (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const entries = new FormData(event.currentTarget);
    const id = String(entries.get("id"));
    if (tenants.value.includes(id)) fault.value = `The tenant ${id} exists already.`;
    else if (id === "new") fault.value = "The console uses this word itself. Choose another.";
    else
      begun.value = { id, text: written(TEMPLATES[String(entries.get("template"))].document(id)) };
  };
  return (
    <>
      <p class="crumbs">
        <a href={to("tenants")}>Tenants</a>
      </p>
      {begun.value ? (
        <Workbench id={begun.value.id} text={begun.value.text} etag="" discard={discard} />
      ) : (
        <>
          <Head
            title="New tenant"
            lead="The id is part of every key in storage, and cannot be changed."
          />
          <form class="card new-tenant" onSubmit={submit}>
            <label>
              <span>Id: a-z, 0-9 and -</span>
              <input
                name="id"
                pattern="[a-z0-9\-]{1,63}"
                required
                autocomplete="off"
                autocapitalize="off"
                spellcheck={false}
                aria-describedby="id-fault"
              />
            </label>
            <p class="fault" role="alert" id="id-fault">
              {fault.value}
            </p>
            <fieldset>
              <legend>Template</legend>
              {Object.entries(TEMPLATES).map(([name, { title, about }], at) => (
                <label class="radio" key={name}>
                  <input type="radio" name="template" value={name} defaultChecked={at === 0} />
                  <span>
                    <b>{title}</b>
                    <br />
                    <span class="soft">{about}</span>
                  </span>
                </label>
              ))}
            </fieldset>
            <button type="submit" class="main">
              Create
            </button>
          </form>
        </>
      )}
    </>
  );
}
