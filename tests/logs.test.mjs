/** Tests the log lines that an operator reads, and that no line contains a secret. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KvServer } from "./harness/kv.mjs";
import { Origin } from "./harness/origin.mjs";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const ADMIN = "operators-know-this-token";
const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = `traceparent: 00-${TRACE}-b7ad6b7169203331-00`;

/**
 * Waits for a number of request lines, and returns them.
 * @param {Vestibule} vestibule
 * @param {number} number
 * @param {(line: any) => boolean} [fits]
 */
function requests(vestibule, number, fits = (line) => line.tenant !== undefined) {
  return until(
    () => {
      const lines = vestibule.logged("request").filter(fits);
      return lines.length >= number && lines;
    },
    { what: `${number} lines of requests` },
  );
}

test("a request is logged with tenant, origin and status", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [`a=${origin.url}`] });
  const answer = await send(vestibule.port, { lines: [PARENT] });
  assert.equal(answer.status, 200);
  const [line] = await requests(vestibule, 1);
  const { at, span_id, edge_ms, origin_ms, message, timestamp, ...rest } = line;
  assert.deepEqual(rest, {
    level: "info",
    service: "vestibule",
    event: "request",
    tenant: "default",
    trace_id: TRACE,
    parent_id: "b7ad6b7169203331",
    method: "GET",
    session: "none",
    state: "new",
    origin: "a",
    handle: origin.received("x-session-id")[0],
    status: 200,
  });
  assert.match(span_id, /^[0-9a-f]{16}$/);
  assert.ok(Math.abs(Date.now() - at) < 60_000 && edge_ms >= 0 && origin_ms >= 0);
  assert.equal(timestamp, new Date(at).toISOString());
  assert.equal(message, `GET 200 in ${edge_ms + origin_ms} ms`);
});

test("a refused request is logged with its reason", async (t) => {
  const vestibule = await Vestibule.start(t, {
    origins: ["http://127.0.0.1:9"],
    vars: { LOGIN_MODE: "required" },
  });
  await send(vestibule.port, { lines: [PARENT] });
  const [line] = await requests(vestibule, 1);
  assert.deepEqual(
    [line.status, line.reason, line.trace_id, line.origin],
    [401, "no_session", TRACE, undefined],
  );
});

test("a security event carries the trace id of its request", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, { origins: [origin.url] });
  await send(vestibule.port, {
    host: "localhost",
    lines: [PARENT, `Cookie: vestibule-session=${"A".repeat(112)}`],
  });
  const [event] = await until(
    () => vestibule.logged("cookie_forged").length > 0 && vestibule.logged("cookie_forged"),
    { what: "the event" },
  );
  assert.deepEqual([event.level, event.tenant, event.trace_id], ["warn", "default", TRACE]);
});

test("each tenant has its own log level", async (t) => {
  const origin = await Origin.start(t);
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  for (const log of ["info", "warn", "error", "off"]) {
    const document = {
      id: log,
      hosts: [`${log}.localhost`],
      telemetry: { log },
      origins: [{ name: "good", url: origin.url }],
      login: { exceptions: [{ path: "/private", mode: "required" }] },
    };
    tenants.plant(`tenant:${log}`, JSON.stringify(document));
    tenants.plant(`host:${log}.localhost`, log);
  }
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });
  const port = vestibule.port;
  for (const host of ["off", "error", "warn", "info"].map((log) => `${log}.localhost`)) {
    await send(port, { host });
    await send(port, {
      host,
      target: "/private",
      lines: [`Cookie: vestibule-session=${"A".repeat(112)}`],
    });
    origin.failNext();
    await send(port, { host, method: "POST", lines: ["Content-Length: 1"], body: "x" });
  }
  await requests(vestibule, 3, (line) => line.tenant === "info");
  const received = Object.fromEntries(
    ["info", "warn", "error", "off"].map((tenant) => {
      const own = vestibule.logs.filter((line) => line.tenant === tenant);
      const names = own.map(({ event, level }) => `${level} ${event}`);
      return [tenant, [...new Set(names)].sort()];
    }),
  );
  const wrong = ["warn cookie_forged", "warn request", "warn upload_cut"];
  assert.deepEqual(received, { info: ["info request", ...wrong], warn: wrong, error: [], off: [] });
});

test("the log contains no secret and no visitor input", async (t) => {
  const origin = await Origin.start(t, (request, reply) => {
    reply.setHeader("set-cookie", "chat=words-of-the-origin");
    if (request.url?.startsWith("/store")) {
      reply.setHeader("x-session-patch", '{"note":"words-of-the-session"}');
      reply.setHeader("x-session-identify", '{"user":"words-of-identity"}');
    }
    if (request.url?.startsWith("/bad")) reply.setHeader("x-session-patch", "words-of-rubbish");
    reply.end("words-of-an-answer");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origin.url}`],
    vars: { ADMIN_TOKEN: ADMIN, STREAMS: "revocable" },
  });
  const { port } = vestibule;
  const host = "localhost";
  const lines = ["Authorization: Bearer words-of-a-token", "X-Any: words-of-a-header"];
  const first = await send(port, { host, target: "/store?words-of=a-query", lines });
  const [cookie] = header(first, "set-cookie")
    .map((line) => line.split(";")[0])
    .filter((line) => line.startsWith("vestibule-session="));
  lines.push(`Cookie: ${cookie}; other=words-of-a-cookie`);
  await send(port, { host, target: "/words-of-a-path", lines });
  await send(port, { host, target: "/bad", lines });
  origin.failNext();
  await send(port, {
    host,
    method: "POST",
    lines: [...lines, "Content-Length: 15"],
    body: "words-of-a-body",
  });
  await send(port, { host, target: "/", lines: ["Cookie: vestibule-session=words-of-a-forgery"] });
  await send(port, {
    host,
    target: "/_session/admin/sessions",
    lines: ["Authorization: Bearer words-of-a-guess"],
  });
  await requests(vestibule, 5);
  await requests(vestibule, 1, ({ reason }) => reason === "api_key");
  const [value] = cookie.split("=").slice(1);
  for (const secret of ["words-of", value, value.slice(20), ADMIN, vestibule.keys]) {
    assert.ok(!vestibule.printed.includes(secret), secret);
  }
});

test("every line has timestamp, service, level and message, and a tenant's a trace id", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origin.url}`],
    vars: { ADMIN_TOKEN: ADMIN, SERVICE_NAME: "front-door.eu_1" },
  });
  const { port } = vestibule;
  await send(port, { method: "PROPFIND" });
  origin.failNext();
  await send(port, { method: "POST", lines: ["Content-Length: 1"], body: "x" });
  await send(port, { lines: [`Cookie: vestibule-session=${"A".repeat(112)}`], host: "localhost" });
  const lines = [`Authorization: Bearer ${ADMIN}`, "Content-Length: 0"];
  await send(port, { method: "POST", target: "/_session/admin/origins/a/drain", lines });
  await send(port, { target: "/_session/healthz" });
  await requests(vestibule, 4);
  for (const line of vestibule.logs) {
    const { timestamp, service, level, message, event, tenant, trace_id } = line;
    const text = JSON.stringify(line);
    assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, text);
    assert.ok(Math.abs(Date.now() - new Date(timestamp).getTime()) < 60_000, text);
    assert.equal(service, "front-door.eu_1", text);
    assert.match(level, /^(?:info|warn|error)$/, text);
    const words = event === "request" ? /^[A-Z_]+ \d{3} in \d+ ms$/ : /^[a-z][a-z ]+$/;
    assert.match(message, words, text);
    if (tenant !== undefined && !/^origin_/.test(event))
      assert.match(trace_id, /^[0-9a-f]{32}$/, text);
  }
  const events = vestibule.logs.map(({ event }) => event);
  for (const event of ["request", "cookie_forged", "audit_origin_drained"]) {
    assert.ok(events.includes(event), event);
  }
  assert.ok(vestibule.logs.some(({ message }) => message.startsWith("_OTHER 200 in ")));
});

test("operator actions are logged", async (t) => {
  const origin = await Origin.start(t, (_, reply) => {
    reply.setHeader("x-session-patch", '{"a":1}');
    reply.end("ok");
  });
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origin.url}`],
    vars: { ADMIN_TOKEN: ADMIN, LOG_LEVEL: "info" },
  });
  const { port } = vestibule;
  await send(port, {});
  const [handle] = origin.received("x-session-id");
  const lines = [`Authorization: Bearer ${ADMIN}`, "Content-Length: 0"];
  await send(port, { target: `/_session/admin/sessions/${handle}`, lines });
  await send(port, { method: "POST", target: "/_session/admin/origins/a/drain", lines });
  await send(port, { method: "DELETE", target: `/_session/admin/sessions/${handle}`, lines });
  await send(port, { method: "DELETE", target: "/_session/admin/sessions?all=true", lines });
  const received = await until(
    () => {
      const audit = vestibule.logs.filter(({ event }) => event?.startsWith("audit_"));
      return audit.length >= 4 && audit;
    },
    { what: "four lines" },
  );
  assert.deepEqual(
    received.map(({ event, handle, origin, tenant }) => [event, handle ?? origin ?? tenant]),
    [
      ["audit_session_viewed", handle],
      ["audit_origin_drained", "a"],
      ["audit_session_ended", handle],
      ["audit_sessions_revoked", "default"],
    ],
  );
  assert.ok(received.every(({ trace_id }) => /^[0-9a-f]{32}$/.test(trace_id)));
});

test("with LOG_LINES=each a line is written before the next response", async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [origin.url],
    vars: { LOG_LINES: "each", TELEMETRY_EVERY: "3600000" },
  });
  await send(vestibule.port, {});
  await requests(vestibule, 1);
});
