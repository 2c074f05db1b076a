/** Tests active health checks: the platform's schedule starts them, and origins report whether they are ready. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Served } from "../scripts/served.mjs";
import { Origin } from "./harness/origin.mjs";
import { freePort } from "./harness/ports.mjs";
import { freshKey } from "./harness/workerd.mjs";

const ADMIN = "an-admin-token-for-tests";

test("an origin whose health check fails gets no requests until it succeeds", async (t) => {
  let isReady = false;
  const callers = new Set();
  const checked = await Origin.start(t, (request, reply) => {
    if (request.url === "/ready") callers.add(request.headers["user-agent"]);
    if (request.url === "/ready") reply.statusCode = isReady ? 200 : 503;
    reply.end("checked");
  });
  const other = await Origin.start(t, (_request, reply) => reply.end("other"));
  const port = await freePort();
  const origins = [`checked=${checked.url};health=/ready`, `other=${other.url}`];
  const served = new Served(port, origins, { SESSION_KEYS: freshKey(), ADMIN_TOKEN: ADMIN });
  t.after(async () => {
    served.stop();
    await served.ended();
  });
  await served.ready();
  const url = `http://127.0.0.1:${port}`;
  const headers = { authorization: `Bearer ${ADMIN}` };
  const isEjected = async () => {
    const answer = await fetch(`${url}/_session/admin/origins`, { headers });
    const received = /** @type {any} */ (await answer.json());
    return received.origins.find((/** @type {any} */ one) => one.name === "checked").ejected;
  };
  const clock = () => fetch(`${url}/cdn-cgi/handler/scheduled`);
  assert.equal(await isEjected(), false);
  assert.equal((await clock()).status, 200);
  assert.equal(await isEjected(), true);
  for (let visit = 0; visit < 20; visit += 1) {
    assert.equal(await (await fetch(url)).text(), "other");
  }
  isReady = true;
  await clock();
  assert.equal(await isEjected(), false);
  assert.match([...callers].join(), /^Vestibule\/\d+\.\d+\.\d+$/, "the User-Agent is missing");
});
