/**
 * A trap hurts one request. Faults are planted in a build for this test alone: a panic, exhausted memory, an exception
 * thrown by a binding. Each ends the wasm instance while 100 requests and 20 streams are in flight.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { after, test } from "node:test";
import { buildPlanted, WASM } from "../scripts/build.mjs";
import { Mood } from "./harness/mood.mjs";
import { Sites } from "./harness/sign-in.mjs";
import { EVENTS, StreamServer, Streams } from "./harness/streams.mjs";
import { chatServer, Visitor } from "./harness/two-releases.mjs";
import { until } from "./harness/until.mjs";

const ORIGIN_KEY = "servers-know-this-key";

const FAULTS = /** @type {const} */ ([
  ["panic", "a panic"],
  ["memory", "exhausted memory"],
  ["throw", "an exception thrown by a binding"],
]);

const build = await buildPlanted();
const mood = new Mood();
const sites = await Sites.start(
  { after },
  { mood, builds: { places: [build], objects: build }, vars: { SITE0__ORIGIN_KEY: ORIGIN_KEY } },
);
const { vestibule } = sites;
const server = new StreamServer();

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
  () => ({ session: { live: "watched", cache: "1s" } }),
  answer,
);
for (const each of [site, followed]) server.accept(each);

/** How often an instance has died. */
const deaths = () => vestibule.logged("trapped").length;

/** Somebody with a session that is recorded. @param {string} [url] */
async function recorded(url = site.url) {
  const visitor = new Visitor(url);
  const { id } = await visitor.visit({ patch: { kept: true } });
  return { visitor, id };
}

/** @typedef {Awaited<ReturnType<typeof recorded>>} Recorded */

/** Whose requests are in flight, beside those of guests. */
/** @type {Recorded[]} */
const visitors = [];
// Some at a time: each wakes an object.
while (visitors.length < 85) {
  visitors.push(...(await Promise.all(Array.from({ length: 5 }, () => recorded()))));
}
const culprit = await recorded();

const streams = new Streams(server);
for (const { url, ...each } of [site, followed]) {
  for (let at = 0; at < 5; at += 1) {
    const { visitor } = await recorded(url);
    await streams.open({ after }, { url, ...each }, visitor.browser.sessionOf(url));
  }
}

/**
 * What the session API says of a session.
 * @param {Recorded} whose
 */
async function stored({ visitor, id }) {
  const headers = { authorization: `Bearer ${ORIGIN_KEY}` };
  const answer = await visitor.call(`api/sessions/${id}`, { headers });
  assert.equal(answer.status, 200, answer.body);
  return { version: answer.header("etag"), ...answer.json().data };
}

/**
 * A change by the session API whose body is sent in two parts.
 * @param {Recorded} whose
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
 * A hundred requests in each place where a request can wait, one that hits the fault among them; all others succeed,
 * and what they change is changed once.
 * @param {string} round a name of its own
 * @param {() => Promise<import("./harness/sign-in.mjs").Answer>} hit the request that hits the fault
 * @param {{ readsFirst?: boolean }} [options] it waits for storage before
 */
async function amongHundred(round, hit, { readsFirst = false } = {}) {
  const before = deaths();
  const versions = await Promise.all(visitors.map(stored));
  const atOrigin = visitors.slice(0, 25);
  const atObject = visitors.slice(25, 50);
  const sending = visitors.slice(50, 70);
  const atStorage = visitors.slice(70);
  const passing = Array.from({ length: 100 - visitors.length }, () => new Visitor(site.url));
  const answers = atOrigin.map(({ visitor }) => visitor.browser.fetchJson(`${site.url}/held`));
  await until(() => held.length === atOrigin.length, { what: "requests at the chat server" });
  mood.sessions = "held";
  answers.push(
    ...atObject.map(({ visitor }) =>
      visitor.browser.fetchJson(
        `${site.url}/?${new URLSearchParams({ "x-session-patch": JSON.stringify({ [round]: true }) })}`,
      ),
    ),
  );
  await until(() => mood.holding === atObject.length, { what: "changes at their objects" });
  const uploads = sending.map((whose) => upload(whose, round));
  vestibule.kv.mood.get = "held";
  answers.push(...atStorage.map(({ visitor }) => visitor.browser.fetchJson(`${site.url}/`)));
  const hitting = hit();
  if (!readsFirst) await hitting;
  answers.push(...passing.map(({ browser }) => browser.fetchJson(`${site.url}/`)));
  vestibule.kv.mood.get = "fine";
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
  assert.ok(deaths() > before, "an instance died");
  assert.equal(deaths(), before + 1, "it died once");
  await streams.goOn(round);
  for (const [at, whose] of visitors.entries()) {
    const { version, kept, [round]: changed } = await stored(whose);
    const isChanged = atObject.includes(whose) || sending.includes(whose);
    assert.deepEqual([kept, changed], [true, isChanged ? true : undefined]);
    const number = Number(versions[at].version.replaceAll('"', ""));
    assert.equal(version, `"${number + (isChanged ? 1 : 0)}"`, "each change was made once");
  }
}

test("the product has no planted faults", () => {
  assert.ok(readFileSync(`${build}/index_bg.wasm`).includes("planted-"));
  assert.ok(!readFileSync(WASM).includes("planted-"));
});

for (const [fault, what] of FAULTS) {
  test(`${what} while a request is decided on fails that one of a hundred, and no stream`, () =>
    amongHundred(`decided-${fault}`, () =>
      new Visitor(site.url).browser.fetchJson(`${site.url}/planted-admit-${fault}`),
    ));

  test(`${what} after a read of storage fails that one of a hundred, and no stream`, () =>
    amongHundred(
      `driven-${fault}`,
      () => culprit.visitor.browser.fetchJson(`${site.url}/planted-drive-${fault}`),
      { readsFirst: true },
    ));

  test(`${what} while an answer is dealt with fails that one of a hundred, and no stream`, () =>
    amongHundred(`settled-${fault}`, () => {
      const patch = JSON.stringify({ text: `planted-settle-${fault}` });
      const query = new URLSearchParams({ "x-session-patch": patch });
      return new Visitor(site.url).browser.fetchJson(`${site.url}/?${query}`);
    }));
}
