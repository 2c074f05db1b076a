/** Tests log lines on their way to Elasticsearch: a real rsyslog with the documented configuration. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Origin } from "./harness/origin.mjs";
import { send } from "./harness/raw.mjs";
import { Rsyslog, rsyslogMissing } from "./harness/rsyslog.mjs";
import { until } from "./harness/until.mjs";
import { Vestibule } from "./harness/workerd.mjs";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("rsyslog turns each line into a document that Kibana can search", {
  skip: rsyslogMissing,
}, async (t) => {
  const origin = await Origin.start(t);
  const vestibule = await Vestibule.start(t, {
    origins: [`a=${origin.url}`],
    vars: { SERVICE_NAME: "front-door" },
  });
  await send(vestibule.port, {
    host: "localhost",
    lines: [
      `traceparent: 00-${TRACE}-b7ad6b7169203331-00`,
      `Cookie: vestibule-session=${"A".repeat(112)}`,
    ],
  });
  await until(() => vestibule.logged("request").some((line) => line.trace_id === TRACE), {
    what: "the request's line",
  });
  const rsyslog = await Rsyslog.start(t);
  rsyslog.read(`workerd says something\n${vestibule.printed}{"no":"line of ours"}\n`);
  const ours = () => rsyslog.received.filter(({ document }) => document.trace_id === TRACE);
  await until(
    () => {
      rsyslog.program?.checkRunning();
      return ours().length >= 2;
    },
    { within: 30_000, what: "documents" },
  );
  const byEvent = new Map(ours().map((one) => [one.document.event, one]));
  assert.deepEqual([...byEvent.keys()].sort(), ["cookie_forged", "request"]);
  for (const { index, document } of ours()) {
    assert.match(document["@timestamp"], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(index, `vestibule-${document["@timestamp"].slice(0, 10)}`);
    assert.equal(document.service, "front-door");
    assert.equal(document.tenant, "default");
    assert.deepEqual([document.timestamp, document.metadata], [undefined, undefined]);
  }
  const request = byEvent.get("request")?.document;
  assert.equal(request.level, "info");
  assert.match(request.message, /^GET 200 in \d+ ms$/);
  assert.equal(request.status, 200);
  assert.equal(new Date(request["@timestamp"]).getTime(), request.at);
  const event = byEvent.get("cookie_forged")?.document;
  assert.deepEqual([event.level, event.message], ["warn", "cookie forged"]);
  assert.ok(rsyslog.received.every(({ document }) => document.service === "front-door"));
});
