/** Shows one session: its user, its limits and its data. */
import { useSignal } from "@preact/signals";
import { tenant } from "../account.js";
import { get } from "../api.js";
import { Badge } from "../parts/badge.jsx";
import { ChooseTenant } from "../parts/choose-tenant.jsx";
import { BeganAt, ClientName } from "../parts/client.jsx";
import { Empty, Loaded, Rows } from "../parts/loaded.jsx";
import { Head } from "../parts/page.jsx";
import { Time } from "../parts/time.jsx";
import { Tree } from "../parts/tree.jsx";
import { usePolled } from "../polled.js";
import { go, to } from "../route.js";
import { Revoke } from "./session-table.jsx";

/** @import { ComponentChildren } from "preact" */
/** @import { SessionDetail } from "../backend.d.ts" */

const EVERY = 5_000;

/** @param {{ handle: string }} props */
export function SessionPage({ handle }) {
  if (!tenant.value)
    return (
      <>
        <Head title="Session" lead={handle} />
        <ChooseTenant>The session is searched among its sessions.</ChooseTenant>
      </>
    );
  return <Session handle={handle} of={tenant.value} />;
}

/** @param {{ handle: string, of: string }} props */
function Session({ handle, of }) {
  const isEnding = useSignal(false);
  const query = { tenant: of };
  const reading = usePolled(
    async (signal) =>
      /** @type {SessionDetail} */ (
        await get(`admin/sessions/${encodeURIComponent(handle)}`, { query, signal })
      ),
    EVERY,
    [of, handle],
  );
  const session = reading.value;
  const isGone = reading.fault?.status === 404;
  return (
    <>
      <p class="crumbs">
        <a href={to("sessions")}>Sessions</a>
      </p>
      <Head
        title={session ? (session.user ?? "Guest") : "Session"}
        lead={session ? <Where session={session} /> : <code>{handle}</code>}
        reading={reading}
      >
        <a class="button" href={to("explain", "", { handle })}>
          Explain
        </a>
        <button
          type="button"
          disabled={!session || isGone}
          onClick={() => {
            isEnding.value = true;
          }}
        >
          Revoke
        </button>
      </Head>
      {isGone && !session ? (
        <Empty title="No such session">
          <p>It has ended, or was never stored. Guests without data are not stored.</p>
        </Empty>
      ) : (
        <Loaded reading={reading} waiting={<Rows count={3} tall />}>
          {(shown) => <Detail session={shown} />}
        </Loaded>
      )}
      {isEnding.value && session && (
        <Revoke
          session={session}
          close={() => {
            isEnding.value = false;
          }}
          done={() => go("sessions")}
        />
      )}
    </>
  );
}

/** Describes the session in one line. @param {{ session: SessionDetail }} props */
function Where({ session }) {
  return (
    <>
      <ClientName session={session} />
      {session.path && (
        <>
          , began at <code>{session.path}</code>
        </>
      )}
    </>
  );
}

/** @param {{ session: SessionDetail }} props */
function Detail({ session }) {
  const { user, email, name, groups, data, redacted, vault, tokens } = session;
  return (
    <div class="columns detail">
      <section class="card" aria-labelledby="who-title">
        <h2 id="who-title">User and place</h2>
        <dl class="facts">
          <Fact term="User">
            {user ? (
              <>
                {user} · <a href={to("sessions", "", { user })}>all sessions of {user}</a>
              </>
            ) : (
              <span class="soft">guest</span>
            )}
          </Fact>
          {name && <Fact term="Name">{name}</Fact>}
          {email && <Fact term="Email">{email}</Fact>}
          {groups.length > 0 && (
            <Fact term="Groups">
              <span class="badges">
                {groups.map((group) => (
                  <Badge key={group}>{group}</Badge>
                ))}
              </span>
            </Fact>
          )}
          <Fact term="Browser">
            <ClientName session={session} />
          </Fact>
          <Fact term="Began at">
            <BeganAt path={session.path} />
          </Fact>
          <Fact term="Origin">
            {session.origin ? (
              <a href={to("origins", session.origin)}>{session.origin}</a>
            ) : (
              <span class="soft">none yet</span>
            )}
            {session.pinned && " · pinned"}
          </Fact>
          <Fact term="Handle">
            <code>{session.handle}</code>
          </Fact>
        </dl>
      </section>
      <section class="card" aria-labelledby="lifetime-title">
        <h2 id="lifetime-title">Lifetime</h2>
        <dl class="facts">
          <Fact term="Created">
            <Time at={session.created} />
          </Fact>
          <Fact term="Signed in">
            {session.authenticated ? (
              <Time at={session.authenticated} />
            ) : (
              <span class="soft">never</span>
            )}
          </Fact>
          <Fact term="Last seen">
            <Time at={session.last_seen} />
          </Fact>
          <Fact term="Idle limit">
            <Time at={session.expires} />
          </Fact>
          <Fact term="Absolute limit">
            <Time at={session.absolute_expires} />
          </Fact>
          <Fact term="Version">
            <span class="number">{session.version}</span>
          </Fact>
        </dl>
      </section>
      <section class="card" aria-labelledby="data-title">
        <h2 id="data-title">Data</h2>
        <div class="tree">
          <Tree value={data} hidden={redacted} />
        </div>
      </section>
      <section class="card" aria-labelledby="kept-title">
        <h2 id="kept-title">Stored secrets</h2>
        <dl class="facts">
          <Fact term="Vault">
            {vault.length === 0 ? (
              <span class="soft">no cookies</span>
            ) : (
              vault.map((cookie) => (
                <code key={cookie} class="cookie">
                  {cookie}
                </code>
              ))
            )}
          </Fact>
          {tokens ? (
            <>
              <Fact term="Tokens of">{tokens.provider}</Fact>
              <Fact term="Access token ends">
                {tokens.access_token_expires ? (
                  <Time at={tokens.access_token_expires} />
                ) : (
                  <span class="soft">not known</span>
                )}
              </Fact>
              <Fact term="Renewable">{tokens.renewable ? "yes" : "no"}</Fact>
            </>
          ) : (
            <Fact term="Tokens">
              <span class="soft">none</span>
            </Fact>
          )}
        </dl>
        <p class="soft">Only names and times are shown. The values never leave storage.</p>
      </section>
    </div>
  );
}

/** @param {{ term: string, children: ComponentChildren }} props */
function Fact({ term, children }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd>{children}</dd>
    </div>
  );
}
