/**
 * Shows that no change is lost when the wasm instance dies once in an object, or in an object's background
 * work.
 */
import assert from "node:assert/strict";
import { after, afterEach, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Origin } from "./harness/origin.mjs";
import { changing, Planted } from "./harness/planted.mjs";
import { chatServer, Visitor } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

const ADMIN_TOKEN = "operators-know-this-token";
const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };

const planted = await Planted.start({ after }, { ADMIN_TOKEN, TELEMETRY_EVERY: "200" });
const { sites, mood, kv } = planted;
const site = await sites.open({ after }, () => ({}), chatServer);

afterEach(() => {
  mood.telemetry = "fine";
});

/** Returns session data that plants a fault at that point. @param {string} point */
const next = (point, fault = "panic") => ({ fault: `planted-next-${point}-${fault}` });

/**
 * Plants a fault for the next time that an object reaches that point.
 * @param {string} point
 */
async function arm(point, fault = "panic") {
  const { visitor } = await planted.recorded(site.url);
  await visitor.visit({ patch: next(point, fault) });
}

/**
 * Returns the number of a tenant's successful requests on Prometheus' page.
 * @param {string} tenant
 */
async function counted(tenant) {
  const answer = await new Visitor(site.url).call("admin/metrics", { headers });
  assert.equal(answer.status, 200, answer.body);
  const lines = answer.body.split("\n").filter((line) => line.startsWith("http_requests_total{"));
  const own = lines.filter((line) => line.includes(`"${tenant}"`) && line.includes('"200"'));
  return own.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

for (const [point, what] of [
  ["outbox", "before a record is stored"],
  ["outbox-done", "after a record was stored"],
]) {
  test(`a trap ${what} loses no change, and the record is stored`, async () => {
    const { visitor } = await planted.recorded(site.url);
    const { deaths } = planted;
    await visitor.visit({ patch: { ...next(point), later: point } });
    await planted.death(deaths);
    const stored = kv.count("put");
    await until(() => kv.count("put") > stored, { what: "the record in the namespace" });
    assert.equal((await visitor.visit()).data.later, point);
  });
}

test("a trap in an alarm loses no change, and the record is stored", async () => {
  const { visitor } = await planted.recorded(site.url);
  const { deaths } = planted;
  // A change within a second of the last write waits for an alarm.
  await visitor.visit({ patch: { ...next("alarm"), later: "alarm" } });
  await planted.death(deaths);
  const stored = kv.count("put");
  await until(() => kv.count("put") > stored, { what: "the record in the namespace" });
  assert.equal((await visitor.visit()).data.later, "alarm");
});

test("a trap after a row was written leaves an alarm that stores the record", async () => {
  const before = kv.count("put");
  const { visitor } = await planted.recorded(site.url);
  await until(() => kv.count("put") > before, { what: "the record without the change" });
  const { deaths } = planted;
  const stored = kv.count("put");
  // The row is stored, but its response is lost.
  await visitor.browser.fetchJson(changing(site.url, { ...next("row"), later: "row" }));
  await planted.death(deaths);
  await until(() => kv.count("put") > stored, { what: "the record in the namespace" });
  assert.equal((await visitor.visit()).data.later, "row");
});

test("a trap in a tenant's object loses no revocation", async () => {
  const devices = [new Visitor(site.url), new Visitor(site.url)];
  for (const device of devices) await device.visit({ identify: { user: "ada" } });
  const { deaths } = planted;
  await arm("directory");
  const out = await devices[0].call("logout", { method: "POST", json: { everywhere: true } });
  assert.ok([200, 204].includes(out.status), out.body);
  await planted.death(deaths);
  await devices[1].untilOut();
});

test("surplus sessions that a trap left are ended when the next session is listed", async (t) => {
  const two = await sites.open(
    t,
    () => ({ session: { cache: "1s", max_per_user: 2 } }),
    chatServer,
  );
  const devices = Array.from({ length: 4 }, () => new Visitor(two.url));
  const last = devices.pop();
  const { deaths } = planted;
  await arm("surplus");
  for (const device of devices) await device.visit({ identify: { user: "ada" } });
  await planted.death(deaths);
  await last?.visit({ identify: { user: "ada" } });
  for (const device of devices.slice(0, 2)) await device.untilOut();
  for (const device of [devices[2], last]) assert.equal((await device?.visit())?.user, "ada");
});

for (const [point, what] of [
  ["pool", "before it is stored"],
  ["drained", "after it was stored"],
]) {
  test(`a trap in the pool object loses no drain, ${what}`, async (t) => {
    const elsewhere = await Origin.start(t, chatServer);
    const both = await sites.open(
      t,
      ({ origin }) => ({
        origins: [
          { name: "here", url: origin.url },
          { name: "elsewhere", url: elsewhere.url },
        ],
      }),
      chatServer,
    );
    const { deaths } = planted;
    await arm(point);
    const drain = { method: "POST", headers };
    const answer = await new Visitor(both.url).call("admin/origins/here/drain", drain);
    assert.equal(answer.status, 204, answer.body);
    await planted.death(deaths);
    const newcomer = async () => (await new Visitor(both.url).visit()).port;
    const newcomers = () => Promise.all(Array.from({ length: 16 }, newcomer));
    const isDrained = async () => !(await newcomers()).includes(both.origin.port);
    await until(isDrained, { what: "no newcomer here" });
  });
}

for (const point of ["attempts", "attempts-alarm"]) {
  test(`a trap in the attempts object forgets no attempt: ${point}`, async (t) => {
    const login = { mode: "required", methods: { password: true } };
    const guarded = await sites.open(t, () => ({ login }), chatServer);
    enrol(sites, guarded.id, { user: "ada", password: "difference engine" });
    /** @param {string} password */
    const signIn = async (password) => {
      const json = { username: "ada", password };
      return (await new Visitor(guarded.url).call("login", { method: "POST", json })).status;
    };
    for (let failure = 0; failure < 4; failure += 1) assert.equal(await signIn("wrong"), 401);
    const { deaths } = planted;
    await arm(point);
    assert.equal(await signIn("wrong"), 401);
    await planted.death(deaths);
    const statuses = [await signIn("wrong"), await signIn("difference engine")];
    assert.ok(statuses.includes(429), String(statuses));
  });
}

for (const [point, what] of [
  ["telemetry", "before a batch is added"],
  ["keep", "before figures are stored"],
]) {
  test(`a trap in the aggregator object, ${what}, loses or doubles no count`, async (t) => {
    const busy = await sites.open(t, () => ({}), chatServer);
    const { deaths } = planted;
    await arm(point);
    for (let visit = 0; visit < 20; visit += 1) await new Visitor(busy.url).visit();
    await planted.death(deaths);
    await until(async () => (await counted(busy.id)) >= 20, { what: "all on the page" });
    assert.equal(await counted(busy.id), 20);
  });
}

test("counts that cannot be stored survive a trap, and none counts twice", async (t) => {
  const busy = await sites.open(t, () => ({}), chatServer);
  const failed = () => sites.vestibule.logged("figures_not_kept").length;
  const before = failed();
  await arm("kept", "fail");
  for (let visit = 0; visit < 20; visit += 1) await new Visitor(busy.url).visit();
  await until(async () => (await counted(busy.id)) >= 20, { what: "all on the page" });
  await until(() => failed() > before, { what: "figures that cannot be stored" });
  const again = failed();
  await new Visitor(site.url).visit();
  await until(() => failed() > again, { what: "another attempt" });
  await planted.hit(site.url, "panic");
  await until(async () => (await counted(busy.id)) >= 20, { what: "all on the page" });
  assert.equal(await counted(busy.id), 20);
  assert.equal(sites.vestibule.logged("unkept_batch_dropped").length, 0);
});

test("unsent batches survive the instance that made them", async (t) => {
  const busy = await sites.open(t, () => ({}), chatServer);
  mood.telemetry = "refuses";
  const failed = () => sites.vestibule.logged("telemetry_not_taken").length;
  for (let visit = 0; visit < 20; visit += 1) await new Visitor(busy.url).visit();
  // By the third report after them all counts are in a batch.
  for (let report = 0; report < 3; report += 1) {
    const before = failed();
    await new Visitor(site.url).visit();
    await until(() => failed() > before, { what: "a batch that is not taken" });
  }
  await planted.hit(site.url, "panic");
  mood.telemetry = "fine";
  await new Visitor(site.url).visit();
  await until(async () => (await counted(busy.id)) >= 20, { what: "all on the page" });
  assert.equal(await counted(busy.id), 20);
});
