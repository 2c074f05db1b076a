/** Names the browser and the kind of device on which a session began. */

/** @typedef {{ browser: string | null, device: string | null }} Client */

/**
 * Returns a short text; a session of an earlier release has no browser.
 * @param {Client} client
 */
export function clientText({ browser, device }) {
  const kind = browser && device === "other" ? null : device;
  return [browser, kind].filter(Boolean).join(" · ") || "unknown";
}

/** @param {{ session: Client & { country: string | null } }} props */
export function ClientName({ session }) {
  return (
    <>
      {clientText(session)}
      {session.country && <span class="soft"> · {session.country}</span>}
    </>
  );
}

/** Shows the first part of the path at which a session began. @param {{ path: string | null }} props */
export function BeganAt({ path }) {
  return path ? <code>{path}</code> : <span class="soft">–</span>;
}
