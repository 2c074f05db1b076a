/**
 * Tests gradual deployments, in which two versions of the Worker share a namespace and objects for hours. The release
 * before and this one serve side by side, requests alternate between them, and the objects run in either. Visitors
 * must see no 5xx, no lost change, no lost session; a session ended in one release must be ended in the other.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { Origin } from "./harness/origin.mjs";
import { Scenarios } from "./harness/scenarios.mjs";
import { ADMIN, chatServer, ORIGIN_KEY } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/two-releases.mjs").Visitor} Visitor */

const scenarios = new Scenarios();
const scenario = scenarios.add;

/**
 * Returns pseudo-random numbers from 0 to 1, the same for the same seed (mulberry32).
 * @param {number} seed
 */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A second chat server. */
const elsewhere = await Origin.start({ after }, chatServer);

scenario("a guest stays the same guest", async ({ newVisitor }) => {
  const guest = newVisitor();
  const { id } = await guest.visit();
  for (let visit = 0; visit < 5; visit += 1) assert.equal((await guest.visit()).id, id);
});

scenario(
  "data stored by one release is read and changed by the other",
  async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    const { id } = await visitor.visit();
    /** @type {Record<string, number>} */
    const expected = {};
    for (let change = 0; change < 4; change += 1) {
      expected[`n${change}`] = change;
      await kept(() => visitor.visit({ patch: { [`n${change}`]: change } }));
      // Three requests, so that the other release makes the next change.
      for (let look = 0; look < 2; look += 1) {
        const { data, id: same, state } = await visitor.visit();
        assert.deepEqual([data, same, state], [expected, id, "active"]);
      }
    }
  },
);

scenario(
  "sixty concurrent changes, half of them in each release, are all kept",
  async ({ newVisitor }) => {
    const visitor = newVisitor();
    const { id } = await visitor.visit({ patch: { first: true } });
    const changes = Array.from({ length: 60 }, (_, at) => at);
    await Promise.all(
      changes.map((at) => visitor.copy().visit({ patch: { [`n${at % 20}`]: { [at]: at } } })),
    );
    // A tab's cookie is that of its own response, so the session itself is read.
    const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
    const { data } = (await visitor.call(`api/sessions/${id}`, { headers })).json();
    const kept = Object.values(data).flatMap((one) => Object.values(one));
    assert.deepEqual(
      kept.sort((one, other) => one - other),
      changes,
    );
  },
  { consistencies: ["strong"] },
);

scenario(
  "random visits in random order keep each visitor's own data",
  async ({ newVisitor }) => {
    const random = numbers(20_261_129);
    const pick = (/** @type {any[]} */ from) => from[Math.floor(random() * from.length)];
    /** @type {{ visitor: Visitor, user: string, data: Record<string, number> }[]} */
    let all = [];
    /** @type {Record<string, (one: (typeof all)[number], step: number) => Promise<void>>} */
    const steps = {
      change: async (one, step) => {
        const name = pick(["a", "b", "c"]);
        one.data[name] = step;
        await one.visitor.visit({ patch: { [name]: step } });
      },
      rotate: async ({ visitor }) => void (await visitor.visit({ rotate: "1" })),
      identify: async (one) => {
        const user = pick(["ada", "bob"]);
        // A guest's data passes to the user; a user's data does not pass to another.
        if (one.user !== "" && one.user !== user) one.data = {};
        one.user = user;
        await one.visitor.visit({ identify: { user } });
      },
      "sign out": async (one) => {
        const copy = one.visitor.copy();
        await one.visitor.call("logout", { method: "POST" });
        all = all.filter((other) => other !== one);
        await copy.untilOut();
      },
      "sign out everywhere": async (one) => {
        if (one.user === "") return;
        await one.visitor.call("logout", { method: "POST", json: { everywhere: true } });
        const gone = all.filter(({ user }) => user === one.user);
        all = all.filter(({ user }) => user !== one.user);
        for (const { visitor } of gone) if (visitor !== one.visitor) await visitor.untilOut();
      },
    };
    const usual = ["change", "change", "change", "rotate", "identify"];
    for (let step = 0; step < 40; step += 1) {
      while (all.length < 5) all.push({ visitor: newVisitor(), user: "", data: {} });
      const what = step % 10 === 9 ? pick(["sign out", "sign out everywhere"]) : pick(usual);
      const one = pick(all);
      await steps[what](one, step);
      const other = pick(all);
      const { user, data } = await other.visitor.visit();
      assert.deepEqual([user, data], [other.user, other.data], `step ${step}: ${what}`);
    }
  },
  { consistencies: ["strong"] },
);

scenario(
  "an id that one release rotated is accepted by the other in its grace period",
  async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    await kept(() => visitor.visit({ patch: { draft: 1 } }));
    for (let rotation = 0; rotation < 3; rotation += 1) {
      const late = visitor.copy();
      const before = visitor.browser.sessionOf((await visitor.call("me")).url);
      await kept(() => visitor.visit({ rotate: "1" }));
      assert.notEqual(visitor.browser.sessionOf((await visitor.call("me")).url), before);
      // A request that was in flight.
      assert.deepEqual((await late.visit()).data, { draft: 1 });
      assert.deepEqual((await visitor.visit()).data, { draft: 1 });
    }
  },
);

scenario(
  "both releases know a user identified by the chat server, and reject the guest's id",
  async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    await kept(() => visitor.visit({ patch: { draft: 1 } }));
    const guest = visitor.copy();
    await kept(() => visitor.visit({ identify: { user: "ada", groups: ["staff"] } }));
    for (let visit = 0; visit < 2; visit += 1) {
      const { user, groups, data } = await visitor.visit();
      assert.deepEqual([user, groups, data], ["ada", "staff", { draft: 1 }]);
    }
    await guest.untilOut();
  },
);

scenario("a session ended in one release is ended in the other", async ({ newVisitor, kept }) => {
  for (const how of ["sign-out", "the chat server's word"]) {
    const visitor = newVisitor();
    await kept(() => visitor.visit({ identify: { user: "ada" } }));
    const copy = visitor.copy();
    await copy.visit();
    await copy.visit();
    if (how === "sign-out") {
      assert.equal((await visitor.call("logout", { method: "POST" })).status, 204);
    } else await visitor.visit({ destroy: "1" });
    await copy.untilOut();
  }
});

scenario(
  "signing out everywhere in one release ends the sessions of both, and no others",
  async ({ newVisitor, kept }) => {
    const devices = Array.from({ length: 4 }, () => newVisitor());
    const other = newVisitor();
    for (const [at, device] of [...devices, other].entries()) {
      await kept(() => device.visit({ identify: { user: at < devices.length ? "ada" : "bob" } }));
    }
    const answer = await devices[0].call("logout", { method: "POST", json: { everywhere: true } });
    assert.equal(answer.status, 204, answer.body);
    for (const device of devices.slice(1)) await device.untilOut();
    for (let look = 0; look < 2; look += 1) assert.equal((await other.visit()).user, "bob");
    const again = newVisitor();
    await kept(() => again.visit({ identify: { user: "ada" } }));
    for (let look = 0; look < 2; look += 1) assert.equal((await again.visit()).user, "ada");
  },
);

scenario(
  "either release lists the sessions of both, and ends one",
  async ({ newVisitor, kept }) => {
    const devices = Array.from({ length: 4 }, () => newVisitor());
    for (const device of devices) {
      await kept(() => device.visit({ identify: { user: "ada" } }));
    }
    /** @returns {Promise<any[]>} */
    const listed = async () => (await devices[0].call("sessions")).json().sessions;
    for (let look = 0; look < 2; look += 1) {
      await until(async () => (await listed()).length === devices.length, { what: "all of them" });
    }
    for (const left of [3, 2]) {
      const ended = (await listed()).find(({ current }) => !current);
      const path = `sessions/${ended.id ?? ended.handle}`;
      assert.equal((await devices[0].call(path, { method: "DELETE" })).status, 204);
      for (let look = 0; look < 2; look += 1) {
        await until(async () => (await listed()).length === left, { what: "one less" });
      }
      // An odd number of requests, so that the other release ends the next one.
      await devices[0].visit();
    }
    const inside = async () => {
      const each = await Promise.all(devices.map((device) => device.copy().isIn()));
      return each.filter(Boolean).length;
    };
    for (let look = 0; look < 2; look += 1) {
      await until(async () => (await inside()) === 2, { what: "two of four" });
      await devices[0].visit();
    }
  },
);

scenario(
  "the oldest session over the limit ends, in either release",
  async ({ newVisitor }) => {
    const devices = Array.from({ length: 3 }, () => newVisitor());
    for (const device of devices) await device.visit({ identify: { user: "ada" } });
    await devices[0].untilOut();
    for (const device of devices.slice(1)) {
      for (let look = 0; look < 2; look += 1) assert.equal((await device.visit()).user, "ada");
    }
  },
  { consistencies: ["strong"], describe: () => ({ session: { max_per_user: 2 } }) },
);

scenario(
  "a lease granted by one release is valid in the other",
  async ({ site, newVisitor }) => {
    const visitor = newVisitor();
    const { id } = await visitor.visit({ patch: { a: 1 } });
    const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
    /** @param {string} path @param {string} method @param {unknown} [json] @param {Record<string, string>} [more] */
    const api = (path, method, json, more = {}) =>
      visitor.call(`api/sessions/${id}${path}`, {
        method,
        headers: { ...headers, ...more },
        json,
      });
    const taken = await api("/lease", "POST", { seconds: 30 });
    assert.equal(taken.status, 200, taken.body);
    const again = await api("/lease", "POST", { seconds: 30 });
    assert.equal(again.status, 409, again.body);
    const { token } = taken.json();
    const freed = await api("/lease", "DELETE", { token });
    assert.equal(freed.status, 204, freed.body);
    // A change is accepted for the version that the other release returned.
    const etag = (await api("", "GET")).header("etag");
    const changed = await api("", "PATCH", { patch: { b: 2 } }, { "if-match": etag });
    assert.equal(changed.status, 200, changed.body);
    const late = await api("", "PATCH", { patch: { c: 3 } }, { "if-match": etag });
    assert.equal(late.status, 412);
    assert.deepEqual((await visitor.visit()).data, { a: 1, b: 2 });
    assert.equal(site.origin.requests.length, 2);
  },
  { consistencies: ["strong"] },
);

scenario(
  "cookies kept for the chat server by one release are sent by the other",
  async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    await kept(() => visitor.visit({ patch: { a: 1 } }));
    for (const value of ["one", "two"]) {
      await kept(() => visitor.visit({ "set-cookie": `access_token=${value}; Path=/` }));
      for (let look = 0; look < 2; look += 1) {
        assert.equal((await visitor.visit()).cookie, `access_token=${value}`);
      }
    }
  },
  { describe: () => ({ vault: ["access_token"] }) },
);

scenario(
  "a revocable WebSocket at one release is closed when its session is ended at the other",
  async ({ releases, site, newVisitor }) => {
    const sockets = new WebSocketServer({ server: site.origin.server });
    sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(String(data))));
    for (const serves of /** @type {const} */ (["before", "current"])) {
      const visitor = newVisitor();
      await visitor.visit({ identify: { user: "ada" } });
      releases.next(serves);
      const { port, host } = new URL(site.url);
      const cookie = `vestibule-session=${visitor.browser.sessionOf(site.url)}`;
      const socket = new WebSocket(`ws://127.0.0.1:${port}/`, {
        origin: site.url,
        headers: { host, cookie },
      });
      await once(socket, "open");
      socket.send("hello");
      assert.equal(String((await once(socket, "message"))[0]), "hello");
      const closed = once(socket, "close");
      // The other release gets the next request.
      assert.equal((await visitor.call("logout", { method: "POST" })).status, 204);
      const [code] = await closed;
      assert.equal(code, 4401);
    }
  },
  // With KV alone sockets are revalidated once a minute. The document uses the name that both releases read.
  { consistencies: ["strong"], describe: () => ({ session: { live: "watched" } }) },
);

scenario(
  "a server drained in one release gets no new visitors from the other until that ends the drain",
  async ({ site, newVisitor }) => {
    /** @param {Visitor} visitor */
    const isHere = async (visitor) => (await visitor.visit()).port === site.origin.port;
    let staying = newVisitor();
    while (!(await isHere(staying))) staying = newVisitor();
    const newcomers = async () =>
      Promise.all(Array.from({ length: 16 }, () => isHere(newVisitor())));
    const ask = async (/** @type {string} */ path) => {
      const answer = await newVisitor().call(`admin/origins/${path}`, {
        method: "POST",
        headers: ADMIN,
      });
      assert.equal(answer.status, 204, answer.body);
    };
    for (let round = 0; round < 2; round += 1) {
      await ask("here/drain");
      await until(async () => !(await newcomers()).includes(true), { what: "no newcomer here" });
      for (let look = 0; look < 2; look += 1) assert.equal(await isHere(staying), true);
      // The number of requests since is even, so the other release gets the next one.
      await ask("here/undrain");
      await until(async () => (await newcomers()).includes(true), { what: "newcomers here" });
      // This makes it odd, so that in the next round the other release drains what this one released.
      await staying.visit();
    }
  },
  {
    consistencies: ["strong"],
    describe: ({ origin }) => ({
      origins: [
        { name: "here", url: origin.url },
        { name: "elsewhere", url: elsewhere.url },
      ],
    }),
  },
);

scenario(
  "requests of both releases are counted once each",
  async ({ site, newVisitor }) => {
    const visits = 60;
    await Promise.all(Array.from({ length: visits }, () => newVisitor().visit()));
    const counted = async (metric = "http_requests_total") => {
      const page = await newVisitor().call("admin/metrics", { headers: ADMIN });
      const lines = page.body.split("\n").filter((line) => line.startsWith(`${metric}{`));
      const own = lines.filter((line) => line.includes(`tenant="${site.id}"`));
      return own.reduce((all, line) => all + Number(line.slice(line.lastIndexOf(" "))), 0);
    };
    for (let look = 0; look < 2; look += 1) {
      await until(async () => (await counted()) >= visits, { what: "all of them" });
    }
    // Only this release counts by route, and only while the object is of this release.
    const byRoute = await counted("http_server_request_duration_seconds_count");
    assert.ok(byRoute <= (await counted()), `${byRoute} by route`);
  },
  { consistencies: ["strong"] },
);

await scenarios.run();
