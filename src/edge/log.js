/** Lines for the operator, JSON each. */

/** @param {string} event */
export function warn(event) {
  console.warn(JSON.stringify({ level: "warn", event }));
}

/**
 * @param {string} event
 * @param {unknown} error
 */
export function report(event, error) {
  // The platform's messages hold a status ("429 Too Many Requests"), never a key or a value.
  const detail = error instanceof Error ? error.message : "unknown";
  console.warn(JSON.stringify({ level: "warn", event, detail }));
}
