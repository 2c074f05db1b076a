/** Names a session by its user, with the beginning of its handle to tell equal ones apart, and links to it. */
import { to } from "../route.js";

const SHOWN = 8;

/**
 * @param {{ handle: string, user: string | null | undefined, of?: Record<string, string> }} props `user`: null for
 *   a guest, undefined if it is not known; `of`: the tenant, where it is not the chosen one
 */
export function SessionName({ handle, user, of = {} }) {
  return (
    <a class="session-name" href={to("sessions", handle, of)} title={handle}>
      {user ?? (user === null ? "Guest" : "Session")}{" "}
      <span class="mono soft">{handle.length > SHOWN ? `${handle.slice(0, SHOWN)}…` : handle}</span>
    </a>
  );
}
