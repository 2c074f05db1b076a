/** Reads what Vestibule sent this server about the visitor. */

const SHOWN = /^(x-session-|x-forwarded-|forwarded$|traceparent$)/;

/**
 * Returns the session's headers. Cookies are shown by name only.
 * @param {import("node:http").IncomingHttpHeaders} headers
 */
export function received(headers) {
  /** @type {Record<string, string>} */
  const shown = {};
  for (const [name, value] of Object.entries(headers)) {
    if (SHOWN.test(name)) shown[name] = String(value);
  }
  const names = (headers.cookie ?? "").split(";").map((pair) => pair.split("=")[0].trim());
  shown["cookies received"] = names.filter(Boolean).join(", ") || "none";
  return {
    shown,
    handle: first(headers["x-session-id"]),
    state: first(headers["x-session-state"]),
    data: object(first(headers["x-session-data"])),
  };
}

/** @param {string | string[] | undefined} value */
function first(value) {
  return Array.isArray(value) ? value[0] : value;
}

/**
 * @param {string | undefined} json
 * @returns {Record<string, unknown>}
 */
function object(json) {
  try {
    return json ? JSON.parse(json) : {};
  } catch {
    return {};
  }
}
