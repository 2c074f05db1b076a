/**
 * Tests Durable Objects that move to the new version during a deployment, and back at a rollback: each release
 * continues with the other's stored data.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { enrol } from "./harness/accounts.mjs";
import { Origin } from "./harness/origin.mjs";
import { ADMIN, chatServer, ORIGIN_KEY, open, TwoReleases } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

const elsewhere = await Origin.start({ after }, chatServer);

/** The moves, in order. @type {[string, (releases: TwoReleases) => Promise<void>][]} */
const MOVES = [
  ["the objects move to this release", (releases) => releases.moveObjects("current")],
  ["the objects move back", (releases) => releases.moveObjects("before")],
  ["this release serves everything", (releases) => releases.serveAlone("current")],
  ["the release before serves everything", (releases) => releases.serveAlone("before")],
  ["this release is deployed again", (releases) => releases.moveObjects("current")],
];

/** @typedef {import("./harness/two-releases.mjs").Scene} Scene */

/**
 * Facts that must hold after each move, and to which each move adds.
 * @typedef {(scene: Scene) => Promise<() => Promise<void>>} Story prepares something, and looks after it from then on
 */

/** @type {Record<string, Story>} */
const OF_SESSIONS = {
  "a session keeps all its data": async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    /** @type {Record<string, number>} */
    const expected = { first: 0 };
    await kept(() => visitor.visit({ patch: expected }));
    let change = 0;
    return async () => {
      for (const _ of ["at one", "at the other"]) {
        assert.deepEqual((await visitor.visit()).data, expected);
        change += 1;
        expected[`n${change}`] = change;
        await kept(() => visitor.visit({ patch: { [`n${change}`]: change } }));
        assert.deepEqual((await visitor.visit()).data, expected);
      }
    };
  },
  "a user stays signed in across an id rotation": async ({ newVisitor, kept }) => {
    const visitor = newVisitor();
    await kept(() => visitor.visit({ identify: { user: "ada" } }));
    return async () => {
      assert.equal((await visitor.visit()).user, "ada");
      await kept(() => visitor.visit({ rotate: "1" }));
      assert.equal((await visitor.visit()).user, "ada");
    };
  },
  "sessions that were signed out everywhere stay ended": async ({ newVisitor, kept }) => {
    const [one, other] = [newVisitor(), newVisitor()];
    for (const device of [one, other]) {
      await kept(() => device.visit({ identify: { user: "eve" } }));
    }
    const copy = one.copy();
    await one.call("logout", { method: "POST", json: { everywhere: true } });
    const out = async () => {
      await copy.untilOut();
      await other.untilOut();
    };
    await out();
    return out;
  },
};

/** @type {Record<string, Story>} */
const OF_OBJECTS = {
  ...OF_SESSIONS,
  "a session list is complete": async ({ newVisitor }) => {
    const devices = [newVisitor()];
    await devices[0].visit({ identify: { user: "bob" } });
    return async () => {
      const device = newVisitor();
      devices.push(device);
      await device.visit({ identify: { user: "bob" } });
      for (const _ of ["at one", "at the other"]) {
        const listed = async () => (await devices[0].call("sessions")).json().sessions.length;
        await until(async () => (await listed()) === devices.length, { what: "all on the list" });
      }
    };
  },
  "a lease stays valid": async ({ newVisitor }) => {
    const visitor = newVisitor();
    const { id } = await visitor.visit({ patch: { a: 1 } });
    const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
    const path = `api/sessions/${id}`;
    const take = () =>
      visitor.call(`${path}/lease`, { method: "POST", headers, json: { seconds: 300 } });
    const { token } = (await take()).json();
    let change = 0;
    return async () => {
      assert.equal((await take()).status, 409);
      change += 1;
      const json = { patch: { change }, lease: token };
      const changed = await visitor.call(path, { method: "PATCH", headers, json });
      assert.equal(changed.status, 200, changed.body);
      assert.equal((await visitor.visit()).data.change, change);
    };
  },
  "a drained server stays drained": async ({ site, newVisitor }) => {
    const answer = await newVisitor().call("admin/origins/here/drain", {
      method: "POST",
      headers: ADMIN,
    });
    assert.equal(answer.status, 204, answer.body);
    const ports = async () => {
      const newcomers = Array.from({ length: 12 }, async () => (await newVisitor().visit()).port);
      return Promise.all(newcomers);
    };
    return async () => {
      await until(async () => !(await ports()).includes(site.origin.port), { what: "none here" });
    };
  },
  "the count of sign-in attempts continues": async ({ releases, site, newVisitor }) => {
    enrol(releases.sites, site.id, { user: "alice", password: "down the rabbit hole" });
    const attempt = async (/** @type {string} */ password) => {
      const json = { username: "alice", password };
      return (await newVisitor().call("login", { method: "POST", json })).status;
    };
    /** As many attempts as are free. */
    const guess = async () => {
      for (let guess = 0; guess < 5; guess += 1) assert.equal(await attempt("up"), 401);
    };
    await guess();
    return async () => {
      // Each failure now costs a wait, at first a second; a success resets the count.
      await until(async () => (await attempt("up")) === 401, { what: "one more attempt" });
      assert.equal(await attempt("up"), 429);
      const right = "down the rabbit hole";
      await until(async () => (await attempt(right)) === 200, { what: "one more attempt" });
      await guess();
    };
  },
  "metrics are added up": async ({ releases, site, newVisitor }) => {
    const { vestibule } = releases;
    let visits = 0;
    const counted = async () => {
      const { body } = await newVisitor().call("admin/metrics", { headers: ADMIN });
      const lines = body.split("\n").filter((line) => line.startsWith("vestibule_origin_requests"));
      const own = lines.filter((line) => line.includes(`tenant="${site.id}"`));
      return own.reduce((all, line) => all + Number(line.slice(line.lastIndexOf(" "))), 0);
    };
    const more = async () => {
      for (let visit = 0; visit < 10; visit += 1) await newVisitor().visit();
      visits += 10;
      await until(async () => (await counted()) >= visits, { what: "all visits" });
      const now = Date.now();
      await until(() => vestibule.wroteAt("telemetry") > now, { what: "the figures kept" });
      assert.equal(await counted(), visits);
    };
    await more();
    return more;
  },
};

const DESCRIBED = {
  "a drained server stays drained": (/** @type {import("./harness/sign-in.mjs").Site} */ site) => ({
    origins: [
      { name: "here", url: site.origin.url },
      { name: "elsewhere", url: elsewhere.url },
    ],
  }),
  "the count of sign-in attempts continues": () => ({ login: { methods: { password: true } } }),
};

for (const [consistency, stories] of /** @type {const} */ ([
  ["strong", OF_OBJECTS],
  ["eventual", OF_SESSIONS],
])) {
  const alone = consistency === "eventual" ? ", with KV alone" : "";
  test(`each release continues with the data that the other one stored${alone}`, async (t) => {
    const releases = await TwoReleases.start(t, "before");
    /** @type {[string, () => Promise<void>][]} */
    const going = [];
    await releases.soundly(async () => {
      for (const [story, begin] of Object.entries(stories)) {
        const describe = /** @type {Record<string, any>} */ (DESCRIBED)[story] ?? (() => ({}));
        const scene = await open(t, releases, consistency, describe);
        await t.test(story, async () => void going.push([story, await begin(scene)]));
      }
    });
    for (const [move, act] of MOVES) {
      await act(releases);
      await releases.soundly(async () => {
        for (const [story, go] of going) await t.test(`${move}: ${story}`, go);
      });
    }
  });
}
