/** Shows the frame of every page: the sign-in, the menu and the current page. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { hasTenants, loadAccount, signOut, tenant, tenants, trouble, who } from "./account.js";
import { isOver } from "./api.js";
import { ExplainPage } from "./pages/explain.jsx";
import { LogsPage } from "./pages/logs.jsx";
import { OriginsPage } from "./pages/origins.jsx";
import { OverviewPage } from "./pages/overview.jsx";
import { SessionPage } from "./pages/session.jsx";
import { SessionsPage } from "./pages/sessions.jsx";
import { SignInAgain, SignInPage } from "./pages/sign-in.jsx";
import { TenantsPage } from "./pages/tenants.jsx";
import { Arch, Icon } from "./parts/icon.jsx";
import { Empty, Trouble } from "./parts/loaded.jsx";
import { Notice } from "./parts/notice.jsx";
import { Head } from "./parts/page.jsx";
import { TenantDocument } from "./parts/tenant-document.jsx";
import { go, route, to } from "./route.js";

/** @typedef {import("preact").JSX.Element} Element */

/** @type {Record<string, { label: string, page: (name: string) => Element, of?: () => boolean }>} */
const PAGES = {
  overview: { label: "Overview", page: () => <OverviewPage /> },
  origins: { label: "Origins", page: (name) => <OriginsPage name={name} /> },
  sessions: {
    label: "Sessions",
    page: (name) => (name ? <SessionPage key={name} handle={name} /> : <SessionsPage />),
  },
  tenants: {
    label: "Tenants",
    page: (name) => (name ? <TenantDocument key={name} id={name} /> : <TenantsPage />),
    of: () => hasTenants.value,
  },
  explain: { label: "Explain", page: () => <ExplainPage /> },
  logs: { label: "Logs", page: () => <LogsPage /> },
};

/** Whether a page was shown before: from the second page on, the focus moves to the title. */
const hasMoved = signal(false);

export function Console() {
  useEffect(() => void loadAccount(), []);
  if (trouble.value)
    return (
      <main class="outside">
        <h1 class="visually-hidden">Vestibule console</h1>
        <Trouble fault={trouble.value} again={loadAccount} />
      </main>
    );
  if (who.value === undefined) return <p class="outside soft">Loading …</p>;
  if (who.value === null) return <SignInPage />;
  return (
    <>
      {/* A link to #main would lead to a page of that name. */}
      <button type="button" class="skip-link" onClick={() => document.querySelector("h1")?.focus()}>
        Skip to the page
      </button>
      <Menu />
      <main id="main">
        <Page />
      </main>
      <Notice />
      {isOver.value && <SignInAgain />}
    </>
  );
}

function Page() {
  const { page, name } = route.value;
  const shown = PAGES[page];
  const isKnown = shown !== undefined && (shown.of?.() ?? true);
  const title = isKnown ? shown.label : "Not found";
  useEffect(() => {
    document.title = `${name ? `${name} · ` : ""}${title} · Vestibule console`;
    if (hasMoved.value) document.querySelector("h1")?.focus();
    hasMoved.value = true;
    scrollTo(0, 0);
  }, [page, name]);
  if (isKnown) return shown.page(name);
  return (
    <>
      <Head title="Not found" />
      <Empty title="There is no such page">
        <p>
          The address may be mistyped, or the page is not for this account.{" "}
          <a href={to("overview")}>To the overview</a>
        </p>
      </Empty>
    </>
  );
}

function Menu() {
  const shown = Object.entries(PAGES).filter(([, { of }]) => of?.() ?? true);
  const account = who.value;
  /** @type {Record<string, string>} */
  const looked = hasTenants.value ? { tenant: tenant.value } : {};
  return (
    <header class="menu">
      <a class="brand" href={to("overview")}>
        <Arch />
        <span>Vestibule</span>
      </a>
      {hasTenants.value && <TenantChooser />}
      <nav aria-label="Pages">
        <ul>
          {shown.map(([page, { label }]) => (
            <li key={page}>
              <a
                href={to(page, "", looked)}
                aria-current={route.value.page === page ? "page" : undefined}
              >
                <Icon name={/** @type {any} */ (page)} />
                {label}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div class="account">
        <p>
          {account?.scope === "tenant" || !account?.documents ? (
            <>
              Tenant <b>{account?.tenant}</b>
            </>
          ) : (
            "Whole deployment"
          )}
          <br />
          <span class="soft">Vestibule {account?.version}</span>
        </p>
        <button type="button" onClick={() => signOut().catch(() => loadAccount())}>
          Sign out
        </button>
      </div>
    </header>
  );
}

function TenantChooser() {
  const { page, name, query } = route.value;
  const unlisted = tenant.value && !tenants.value.includes(tenant.value);
  const choose = (/** @type {string} */ chosen) => {
    const isDocument = page === "tenants" && tenants.value.includes(name);
    go(page, isDocument ? chosen : "", { ...Object.fromEntries(query), tenant: chosen });
  };
  return (
    <label class="chooser">
      <span>Tenant</span>
      <select value={tenant.value} onChange={(event) => choose(event.currentTarget.value)}>
        {tenants.value.length !== 1 && <option value="">All tenants</option>}
        {unlisted && <option value={tenant.value}>{tenant.value}</option>}
        {tenants.value.map((id) => (
          <option key={id} value={id}>
            {id}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Without a fragment the overview is shown. */
if (location.hash === "") go("overview");
