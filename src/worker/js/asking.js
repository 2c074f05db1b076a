/** Requests of our own: no visitor's, and to nobody a visitor chooses. */
import { USER_AGENT } from "./core.js";

/**
 * Asks somebody else's server. It is told who asks, because some refuse whoever does not say; a redirect is an
 * answer like any other, because what is said here is for nobody else.
 * @param {string} url
 * @param {{ method?: string, headers?: Record<string, string>, body?: string | null, cf?: RequestInitCfProperties, signal?: AbortSignal }} [init]
 */
export function ask(url, init = {}) {
  const headers = new Headers(init.headers);
  if (!headers.has("user-agent")) headers.set("user-agent", USER_AGENT);
  return fetch(url, { ...init, headers, redirect: "manual" });
}
