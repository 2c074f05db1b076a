/** Shows a loaded value, or that it is loading, has failed, or is empty. */

/** @import { ComponentChildren } from "preact" */
/** @import { Reading } from "../polled.js" */
/** @import { Refusal } from "../api.js" */

/**
 * @template T
 * @param {{ reading: Reading<T>, waiting?: ComponentChildren,
 *   children: (value: T) => ComponentChildren }} props
 */
export function Loaded({ reading, waiting, children }) {
  const { value, fault, refresh } = reading;
  if (value !== undefined) return <>{children(value)}</>;
  if (fault) return <Trouble fault={fault} again={refresh} />;
  return <>{waiting ?? <Rows />}</>;
}

/** @type {Record<number, string>} */
const TITLES = {
  0: "No connection",
  401: "You are signed out",
  403: "Not for this account",
  404: "Not found",
  409: "Not available in this deployment",
  412: "Changed meanwhile",
  429: "Too many requests",
  503: "Not available right now",
};

/** @param {{ fault: Refusal, again?: () => void }} props */
export function Trouble({ fault, again }) {
  // The deployment's configuration causes this refusal, so no retry is offered.
  if (fault.status === 409)
    return (
      <Empty title={fault.title || TITLES[409]}>
        <p>{fault.message}</p>
      </Empty>
    );
  return (
    <section class="placeholder trouble" role="alert">
      <h2>{TITLES[fault.status] ?? (fault.title || "The request failed")}</h2>
      <p>{fault.message}</p>
      {fault.wait > 0 && <p>Try again in {fault.wait} s.</p>}
      {fault.trace && (
        <p class="soft">
          Trace <code>{fault.trace}</code>
        </p>
      )}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </section>
  );
}

/** @param {{ title: string, children?: ComponentChildren }} props */
export function Empty({ title, children }) {
  return (
    <section class="placeholder">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

/** @param {{ count?: number, tall?: boolean }} props */
export function Rows({ count = 5, tall = false }) {
  return (
    <div class={tall ? "rows tall" : "rows"} role="status">
      <span class="visually-hidden">Loading …</span>
      {Array.from({ length: count }, (_, index) => (
        <span class="bone" key={index} />
      ))}
    </div>
  );
}
