/** Explains whether a request is admitted, and its origin, without sending it. */
import { useSignal } from "@preact/signals";
import { hasTenants, tenant } from "../account.js";
import { ask, get, Refusal } from "../api.js";
import { ChooseTenant } from "../parts/choose-tenant.jsx";
import { Loaded, Rows, Trouble } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { usePolled } from "../polled.js";
import { route } from "../route.js";
import { Chain } from "./chain.jsx";

/** @import { Explanation } from "../backend.d.ts" */

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export function ExplainPage() {
  const handle = route.value.query.get("handle") ?? "";
  return (
    <>
      <Head
        title="Explain"
        lead="Shows what would happen to a request: its session, its access, and its origin. Nothing is sent."
      />
      {tenant.value ? (
        <AtItsHost key={`${tenant.value} ${handle}`} of={tenant.value} handle={handle} />
      ) : (
        <ChooseTenant>Its requests are explained here.</ChooseTenant>
      )}
    </>
  );
}

/**
 * Asks for requests at a tenant's own host, which is not the console's.
 * @param {{ of: string, handle: string }} props
 */
function AtItsHost({ of, handle }) {
  const reading = usePolled(
    async (signal) => {
      if (!hasTenants.value) return location.origin;
      const { hosts } = await get(`admin/tenants/${encodeURIComponent(of)}`, { signal });
      const named = hosts?.find((/** @type {string} */ host) => !host.startsWith("*"));
      if (!named) return location.origin;
      const port = location.port && `:${location.port}`;
      return `${location.protocol}//${named}${port}`;
    },
    0,
    [of],
  );
  return (
    <Loaded reading={reading} waiting={<Rows count={1} tall />}>
      {(site) => <Question handle={handle} site={site} />}
    </Loaded>
  );
}

/** @param {{ handle: string, site: string }} props */
function Question({ handle, site }) {
  const isByHandle = useSignal(handle !== "");
  const answer = useSignal(
    /** @type {{ asked: string, explanation: Explanation } | null} */ (null),
  );
  const fault = useSignal(/** @type {Refusal | null} */ (null));
  const isBusy = useSignal(false);
  const submit = async (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const entries = new FormData(event.currentTarget);
    isBusy.value = true;
    fault.value = null;
    try {
      const query = { tenant: tenant.value };
      const body = question(entries);
      const response = await ask("POST", "admin/explain", { query, body });
      const asked = `${body.method} ${body.url ?? body.path}`;
      answer.value = { asked, explanation: await response.json() };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fault.value = error;
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <>
      <form class="card question" onSubmit={submit}>
        <fieldset>
          <legend>Identify the request</legend>
          <label class="radio">
            <input
              type="radio"
              name="by"
              value="cookie"
              checked={!isByHandle.value}
              onChange={() => {
                isByHandle.value = false;
              }}
            />
            By URL and cookie
          </label>
          <label class="radio">
            <input
              type="radio"
              name="by"
              value="handle"
              checked={isByHandle.value}
              onChange={() => {
                isByHandle.value = true;
              }}
            />
            By the handle of a session
          </label>
        </fieldset>
        <div class="fields">
          <label class="method">
            <span>Method</span>
            <select name="method">
              {METHODS.map((method) => (
                <option key={method}>{method}</option>
              ))}
            </select>
          </label>
          {isByHandle.value ? (
            <>
              <label key="handle">
                <span>Handle</span>
                <input name="handle" defaultValue={handle} required spellcheck={false} />
              </label>
              <label key="path">
                <span>Path</span>
                <input name="path" defaultValue="/" required spellcheck={false} />
              </label>
            </>
          ) : (
            <>
              <label key="url">
                <span>URL</span>
                <input
                  name="url"
                  type="url"
                  defaultValue={`${site}/`}
                  required
                  spellcheck={false}
                />
              </label>
              <label key="cookie">
                <span>Cookie header, if any</span>
                <input
                  name="cookie"
                  type="password"
                  autocomplete="off"
                  spellcheck={false}
                  placeholder="__Host-session=…"
                />
              </label>
            </>
          )}
          <button type="submit" class="main" disabled={isBusy.value}>
            Explain
          </button>
        </div>
      </form>
      {fault.value && <Trouble fault={fault.value} />}
      {isBusy.value && !answer.value && <Rows count={6} tall />}
      {answer.value && !fault.value && <Chain {...answer.value} />}
    </>
  );
}

/** @param {FormData} entries */
function question(entries) {
  const field = (/** @type {string} */ name) => String(entries.get(name) ?? "").trim();
  const method = field("method");
  if (field("by") === "handle") return { handle: field("handle"), method, path: field("path") };
  const headers = field("cookie") ? { cookie: field("cookie") } : {};
  return { method, url: field("url"), headers };
}
