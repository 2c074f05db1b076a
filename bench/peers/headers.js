/**
 * Other headers that Vestibule sends in addition to the session's, fixed except the trace. Every peer sends as many and
 * as long ones: its user's name takes the place of the tenant's. The benchmark compares them before it measures.
 */
const FIXED = Object.entries({
  "x-session-state": "active",
  "x-session-created": "1795292880",
  "x-session-expires": "1795321680",
  "x-forwarded-host": "127.0.0.1:18080",
  "x-forwarded-proto": "http",
  "x-forwarded-port": "18080",
  forwarded: 'for=unknown;host="127.0.0.1:18080";proto=http;by=_vestibule',
});

/**
 * Returns the request to the server, without the client's cookies.
 * @param {Request} request
 * @param {Record<string, string>} session headers about it
 */
export function withHeaders(request, session) {
  const url = new URL(request.url);
  url.host = "ORIGIN_HOST";
  const forwarded = new Request(url, request);
  const { headers } = forwarded;
  for (const name in session) headers.set(name, session[name]);
  for (const [name, value] of FIXED) headers.set(name, value);
  headers.set("traceparent", `00-${crypto.randomUUID().replaceAll("-", "")}-00f067aa0ba902b7-01`);
  headers.delete("cookie");
  return forwarded;
}
