/** Shows the head of every page: its title, its subject, and the age of its data. */
import { relative, timeOfDay } from "../format.js";
import { now } from "../now.js";

/** @import { ComponentChildren } from "preact" */
/** @import { Reading } from "../polled.js" */

/**
 * @param {{ title: string, lead?: ComponentChildren, reading?: Reading<unknown>,
 *   children?: ComponentChildren }} props
 */
export function Head({ title, lead, reading, children }) {
  return (
    <header class="head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {lead && <p class="lead">{lead}</p>}
        {reading && <Freshness reading={reading} />}
      </div>
      {children && <div class="actions">{children}</div>}
    </header>
  );
}

/**
 * Shows the age of the data, always in one line, so that nothing moves when updates stop.
 * @param {{ reading: Reading<unknown> }} props
 */
function Freshness({ reading: { at, fault, refresh } }) {
  if (fault && at > 0)
    return (
      <p class="freshness stale" role="status">
        <span>
          Nothing new since {timeOfDay(at)}: {fault.message} What you see was known then.
        </span>
        <button type="button" class="link" onClick={refresh}>
          Try now
        </button>
      </p>
    );
  return (
    <p class="freshness">
      <span class={at > 0 ? "pulse" : "pulse waiting"} aria-hidden="true" />
      {at > 0 ? `As of ${relative(at, now.value)}` : fault ? "No answer yet" : "Loading …"}
    </p>
  );
}
