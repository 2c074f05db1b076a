/**
 * Shows that a trap fails one request. A build for this test has planted faults: a panic, exhausted memory, and an
 * exception thrown by a binding. Each ends the wasm instance while 100 requests and 20 streams are in flight.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { after, afterEach, test } from "node:test";
import { WASM } from "../scripts/build.mjs";
import { changing, FAULTS, ORIGIN_KEY, Planted } from "./harness/planted.mjs";
import { EVENTS, StreamServer, Streams } from "./harness/streams.mjs";
import { chatServer, Visitor } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

/** @typedef {import("./harness/planted.mjs").Recorded} Recorded */

const planted = await Planted.start({ after });
const { sites, mood, kv } = planted;
const server = new StreamServer();

afterEach(() => {
  kv.mood.get = "fine";
  mood.sessions = "fine";
});

/** Replies of the chat server that wait for their release. @type {(() => void)[]} */
const held = [];

/**
 * @param {import("./harness/origin.mjs").Message} request
 * @param {import("./harness/origin.mjs").Reply} reply
 */
function answer(request, reply) {
  if (request.url === EVENTS) server.begin(reply);
  else if (request.url === "/held") held.push(() => chatServer(request, reply));
  else chatServer(request, reply);
}

const site = await sites.open({ after }, () => ({}), answer);
const followed = await sites.open(
  { after },
  () => ({ session: { streams: "revocable", cache: "1s" } }),
  answer,
);
for (const each of [site, followed]) server.accept(each);

/** Visitors with requests in flight, in addition to those of guests. */
/** @type {Recorded[]} */
const visitors = [];
// A few at a time, because each starts an object.
while (visitors.length < 85) {
  visitors.push(
    ...(await Promise.all(Array.from({ length: 5 }, () => planted.recorded(site.url)))),
  );
}
const culprit = await planted.recorded(site.url);

const streams = new Streams(server);
/** Visitors with followed streams. @type {Visitor[]} */
const listeners = [];
for (const each of [site, followed]) {
  for (let at = 0; at < 5; at += 1) {
    const { visitor } = await planted.recorded(each.url);
    await streams.open({ after }, each, visitor.browser.sessionOf(each.url));
    if (each === followed) listeners.push(visitor);
  }
}

/**
 * Reads a session by the session API.
 * @param {Recorded} recorded
 */
async function stored({ visitor, id }) {
  const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
  const answer = await visitor.call(`api/sessions/${id}`, { headers });
  assert.equal(answer.status, 200, answer.body);
  return { version: answer.header("etag"), ...answer.json().data };
}

/**
 * Begins a change by the session API whose body is sent in two parts.
 * @param {Recorded} recorded
 * @param {string} name
 */
function upload({ id }, name) {
  const { port, host } = new URL(site.url);
  const body = JSON.stringify({ patch: { [name]: true } });
  const request = httpRequest({
    port,
    method: "PATCH",
    path: `/_session/api/sessions/${id}`,
    agent: false,
    headers: {
      host,
      authorization: `Bearer ${ORIGIN_KEY}`,
      "content-type": "application/json",
      "content-length": body.length,
    },
  });
  request.write(body.slice(0, 5));
  const answer = new Promise((resolve, reject) => {
    request.on("error", reject).on("response", (message) => {
      message.resume().on("end", () => resolve(message.statusCode));
    });
  });
  return { answer, end: () => request.end(body.slice(5)) };
}

/**
 * Sends a hundred requests that wait at the same point, one of which hits the fault. All others must succeed, and their
 * changes must be made once.
 * @param {string} round a name of its own
 * @param {import("./harness/planted.mjs").Fault} fault
 * @param {() => Promise<import("./harness/sign-in.mjs").Answer>} hit the request that hits the fault
 * @param {{ readsFirst?: boolean }} [options] it waits for storage before
 */
async function amongHundred(round, fault, hit, { readsFirst = false } = {}) {
  const versions = await Promise.all(visitors.map(stored));
  await planted.cold(site.url, fault);
  const before = planted.deaths;
  const atOrigin = visitors.slice(0, 25);
  const atObject = visitors.slice(25, 50);
  const sending = visitors.slice(50, 70);
  const atStorage = visitors.slice(70);
  const passing = Array.from({ length: 100 - visitors.length }, () => new Visitor(site.url));
  /** @type {Promise<import("./harness/sign-in.mjs").Answer>[]} */
  const answers = atOrigin.map(({ visitor }) => visitor.browser.fetchJson(`${site.url}/held`));
  await until(() => held.length === atOrigin.length, { what: "requests at the chat server" });
  mood.sessions = "held";
  answers.push(
    ...atObject.map(({ visitor }) =>
      visitor.browser.fetchJson(changing(site.url, { [round]: true })),
    ),
  );
  await until(() => mood.holding === atObject.length, { what: "changes at their objects" });
  const uploads = sending.map((recorded) => upload(recorded, round));
  // Earlier requests have been read by then.
  for (let look = 0; look < 3; look += 1) await passing[0].call("healthz");
  kv.mood.get = "held";
  const reads = kv.count("get");
  answers.push(...atStorage.map(({ visitor }) => visitor.browser.fetchJson(`${site.url}/`)));
  await until(() => kv.count("get") >= reads + atStorage.length, { what: "reads of storage" });
  const hitting = hit();
  if (!readsFirst) await hitting;
  answers.push(...passing.map(({ browser }) => browser.fetchJson(`${site.url}/`)));
  kv.mood.get = "fine";
  const { status, code } = await hitting;
  assert.deepEqual([status, code], [500, "internal"], "the request that hits it");
  mood.sessions = "fine";
  for (const release of held.splice(0)) release();
  for (const { end } of uploads) end();
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  statuses.push(...(await Promise.all(uploads.map(({ answer }) => answer))));
  assert.equal(statuses.length, 100);
  assert.deepEqual(
    statuses.filter((status) => status !== 200),
    [],
    "the others",
  );
  await planted.death(before);
  await streams.goOn(round);
  for (const [at, recorded] of visitors.entries()) {
    const { version, kept, [round]: changed } = await stored(recorded);
    const isChanged = atObject.includes(recorded) || sending.includes(recorded);
    assert.deepEqual([kept, changed], [true, isChanged ? true : undefined]);
    const number = Number(versions[at].version.replaceAll('"', ""));
    assert.equal(version, `"${number + (isChanged ? 1 : 0)}"`, "each change was made once");
  }
}

test("the production build has no planted faults", () => {
  assert.ok(readFileSync(`${planted.build}/index_bg.wasm`).includes("planted-"));
  assert.ok(!readFileSync(WASM).includes("planted-"));
});

for (const [fault, what] of FAULTS) {
  test(`${what} during a decision fails one of a hundred requests, and no stream`, () =>
    amongHundred(`decided-${fault}`, fault, () =>
      new Visitor(site.url).browser.fetchJson(`${site.url}/planted-admit-${fault}`),
    ));

  test(`${what} after a storage read fails one of a hundred requests, and no stream`, () =>
    amongHundred(
      `driven-${fault}`,
      fault,
      () => culprit.visitor.browser.fetchJson(`${site.url}/planted-drive-${fault}`),
      { readsFirst: true },
    ));

  test(`${what} while handling a response fails one of a hundred requests, and no stream`, () =>
    amongHundred(`settled-${fault}`, fault, () => {
      const url = changing(site.url, { text: `planted-response-${fault}` });
      return new Visitor(site.url).browser.fetchJson(url);
    }));
}

for (const [fault, what] of FAULTS) {
  test(`${what} in a session's object fails one of a hundred changes, and the object continues`, async () => {
    const before = planted.deaths;
    const owners = visitors.slice(0, 40);
    const versions = await Promise.all(owners.map(stored));
    const change = (/** @type {Recorded} */ { visitor }, /** @type {unknown} */ patch) =>
      visitor.browser.fetchJson(changing(site.url, patch));
    mood.sessions = "held";
    const answers = owners.map((one) => change(one, { [`object-${fault}`]: true }));
    const hit = change(culprit, { text: `planted-object-${fault}` });
    await until(() => mood.holding > owners.length, { what: "changes at their objects" });
    mood.sessions = "fine";
    while (answers.length < 100) {
      answers.push(new Visitor(site.url).browser.fetchJson(`${site.url}/`));
    }
    assert.equal((await hit).status, 503);
    await until(() => planted.deaths > before, { what: "the death of the instance" });
    for (const answer of answers) assert.equal((await answer).status, 200);
    for (const [at, one] of owners.entries()) {
      const { version, kept, [`object-${fault}`]: changed } = await stored(one);
      assert.deepEqual([kept, changed], [true, true]);
      const number = Number(versions[at].version.replaceAll('"', ""));
      assert.equal(version, `"${number + 1}"`, "each change was made once");
    }
    assert.equal((await change(culprit, { after: fault })).status, 200);
    const { text, after } = await stored(culprit);
    assert.deepEqual([text, after], [undefined, fault]);
    await streams.goOn(`object-${fault}`);
  });

  test(`${what} in background work fails no request`, async (t) => {
    const fine = await planted.recorded(site.url);
    const id = `planted-background-${fault}`;
    const hurt = await sites.open(t, () => ({ session: { cache: "1s" } }), answer, id);
    const visitor = new Visitor(hurt.url);
    await visitor.visit({ patch: { a: 1 } });
    const before = planted.deaths;
    await until(
      async () => {
        assert.deepEqual((await visitor.visit()).data, { a: 1 });
        return planted.deaths > before;
      },
      { what: "the fault" },
    );
    assert.deepEqual((await fine.visitor.visit()).data, { kept: true });
    await streams.goOn(`background-${fault}`);
  });

  test(`${what} while revalidating one open stream ends no stream`, async (t) => {
    const id = `planted-revalidate-${fault}`;
    const describe = () => ({ session: { streams: "revocable", cache: "1s" } });
    const hurt = await sites.open(t, describe, answer, id);
    server.accept(hurt);
    const { visitor } = await planted.recorded(hurt.url);
    const before = planted.deaths;
    const own = new Streams(server);
    await own.open(t, hurt, visitor.browser.sessionOf(hurt.url));
    // The socket and the event stream are revalidated separately.
    await until(() => planted.deaths > before + 1, { what: "the faults" });
    await own.goOn(`own-revalidate-${fault}`);
    await streams.goOn(`revalidate-${fault}`);
    assert.deepEqual((await visitor.visit()).data, { kept: true });
  });
}

test("open streams are still closed after all these faults when their session ends", async () => {
  assert.equal(streams.count, 20);
  for (const visitor of listeners) {
    assert.equal((await visitor.call("logout", { method: "POST" })).status, 204);
  }
  await until(() => streams.ended === 10, { what: "the end of what is followed" });
});
