/** Shows whether an origin serves. */
import { Badge } from "./badge.jsx";

/** @import { Origin } from "../backend.d.ts" */

/** @param {Origin} origin */
export function takesNew({ takes_new_sessions, ejected }) {
  return takes_new_sessions && !ejected;
}

/**
 * Shows only known facts: an origin that is not ejected need not be healthy.
 * @param {{ origin: Origin, isEmpty?: boolean }} props
 */
export function Health({ origin: { state, ejected, takes_new_sessions }, isEmpty = false }) {
  return (
    <p class="badges">
      {state === "active" && !ejected && takes_new_sessions && (
        <Badge kind="good">In service</Badge>
      )}
      {ejected && <Badge kind="bad">Ejected: it fails</Badge>}
      {state === "drain" && <Badge kind="warn">Draining</Badge>}
      {state === "drain" && isEmpty && <Badge kind="good">Empty</Badge>}
      {state === "down" && <Badge kind="bad">Down: gets no requests</Badge>}
      {!takes_new_sessions && state === "active" && !ejected && (
        <Badge kind="warn">Full: no new sessions</Badge>
      )}
    </p>
  );
}
