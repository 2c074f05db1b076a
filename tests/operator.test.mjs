/** Tests what an operator sees when a setting is missing or wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { header, send } from "./harness/raw.mjs";
import { until } from "./harness/until.mjs";
import { freshKey, Vestibule } from "./harness/workerd.mjs";

const SHORT = Buffer.alloc(31, 7).toString("base64url");

for (const [what, options, cure] of /** @type {[string, any, RegExp][]} */ ([
  ["no session keys", { keys: "" }, /wrangler secret put SESSION_KEYS/],
  ["a short session key", { keys: SHORT }, /key 1 .* has 31 bytes; at least 32/],
  ["a short second key", { keys: `${freshKey()},${SHORT}` }, /key 2 .* has 31 bytes/],
  ["a key that is not base64url", { keys: "hunter2 hunter2!" }, /key 1 .* not base64url/],
  ["no origins", { origins: [] }, /ORIGINS: list your chat servers/],
  [
    "an origin that is not a URL",
    { origins: ["localhost:8000"] },
    /ORIGINS\[0\]\.url: use http\(s\):\/\/host/,
  ],
  [
    "an unknown login mode",
    { vars: { LOGIN_MODE: "maybe" } },
    /LOGIN_MODE: use off, optional or required/,
  ],
  [
    "an impossible console host",
    { vars: { CONSOLE_HOST: "https://Console.example" } },
    /CONSOLE_HOST: the value is not a host; use one such as console\.example\.com/,
  ],
  [
    "a duration without a unit",
    { vars: { SESSION_IDLE: "30" } },
    /SESSION_IDLE: .*is not a duration/,
  ],
])) {
  test(`with ${what}, page and log name the remedy and no secret`, async (t) => {
    const vestibule = new Vestibule({ origins: ["http://127.0.0.1:9"], ...options });
    t.after(() => vestibule.stop());
    t.after(() => vestibule.kv.stop());
    await vestibule.run();
    const call = await send(vestibule.port, {});
    assert.deepEqual([call.status, call.code], [500, "misconfigured"]);
    assert.match(JSON.parse(call.body).detail, cure);
    const page = await send(vestibule.port, { lines: ["Accept: text/html"] });
    assert.deepEqual(
      [page.status, header(page, "content-type")],
      [500, ["text/html; charset=utf-8"]],
    );
    const [line] = await until(
      () => vestibule.logged("misconfigured").length > 0 && vestibule.logged("misconfigured"),
    );
    assert.match(line.detail, cure);
    for (const key of vestibule.keys.split(",").filter(Boolean)) {
      assert.ok(![call.body, page.body, vestibule.printed].some((text) => text.includes(key)));
    }
  });
}

test("all configuration faults are reported at once", async (t) => {
  const vestibule = await Vestibule.start(t, { keys: "", origins: [], vars: { TENANT: "NO" } });
  const { detail } = JSON.parse((await send(vestibule.port, {})).body);
  for (const name of ["SESSION_KEYS", "ORIGINS", "TENANT"]) assert.ok(detail.includes(name), name);
});

test("requiring sign-in without a way to do so is explained on the sign-in page", async (t) => {
  const vestibule = await Vestibule.start(t, { vars: { LOGIN_MODE: "required" } });
  const answer = await send(vestibule.port, {
    target: "/_session/login",
    lines: ["Accept: text/html"],
  });
  assert.equal(answer.status, 503);
  assert.match(answer.body, /Sign-in is not set up.*Tell its operator/s);
});

test("the reserved paths can be moved", async (t) => {
  const vestibule = await Vestibule.start(t, { vars: { PREFIX: "/_door" } });
  assert.equal((await send(vestibule.port, { target: "/_door/healthz" })).status, 200);
});
