/**
 * The floor for whoever tells a server who speaks: the client's request with as many headers as ours sends for a
 * session with data and an assertion, all of them fixed but the trace.
 */
const DATA = JSON.stringify({ tier: "pro", language: "en", summary: "x".repeat(780) });

const TOLD = Object.entries({
  "x-session-id": "5egsOTI2JLAJhrajYtO2tA",
  "x-session-tenant": "default",
  "x-session-state": "active",
  "x-session-created": "1795292880",
  "x-session-expires": "1795321680",
  "x-session-data": DATA,
  "x-session-assertion": `eyJhbGciOiJFUzI1NiJ9.${"e".repeat(320)}.${"s".repeat(86)}`,
  "x-forwarded-host": "127.0.0.1:8080",
  "x-forwarded-proto": "http",
  forwarded: 'for=unknown;host="127.0.0.1:8080";proto=http;by=_vestibule',
});

export default {
  /** @param {Request} request */
  fetch(request) {
    const url = new URL(request.url);
    url.host = "ORIGIN_HOST";
    const forwarded = new Request(url, request);
    const { headers } = forwarded;
    for (const [name, value] of TOLD) headers.set(name, value);
    headers.set("traceparent", `00-${crypto.randomUUID().replaceAll("-", "")}-00f067aa0ba902b7-01`);
    headers.delete("cookie");
    return fetch(forwarded);
  },
};
