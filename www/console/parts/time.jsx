/** Shows a time relative to now; the full time in its tooltip. */
import { absolute, relative } from "../format.js";
import { now } from "../now.js";

/** @param {{ at: number }} props Unix seconds */
export function Time({ at }) {
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={absolute(at * 1000)}>
      {relative(at * 1000, now.value)}
    </time>
  );
}
