/**
 * Reads stored sessions from the namespace, after a real sign-in and a real server's data, and returns
 * the same sessions as JSON, too.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { HostileProvider, KEYS, published } from "../tests/harness/hostile-provider.mjs";
import { Browser, oidcMethod, Sites } from "../tests/harness/sign-in.mjs";
import { DATA, IDENTITY } from "./session.mjs";
import { hashOf, token } from "./tokens.mjs";
import { CHAT } from "./turns.mjs";

/** Time without writes after which everything counts as stored, in milliseconds. */
const QUIET = 2_500;

/**
 * @typedef {object} Sort a kind of session
 * @property {string} name
 * @property {keyof typeof KEYS} [signed] in at a provider with this signing algorithm
 * @property {boolean} [identified] identified by the chat server
 * @property {object} data
 */

/** @type {Sort[]} */
const SORTS = [
  { name: "one setting", data: { theme: "dark" } },
  { name: "signed in by the server", identified: true, data: { theme: "dark", language: "en" } },
  { name: "reference, ES256", signed: "elliptic", data: DATA },
  { name: "reference, RS256", signed: "own", data: DATA },
  { name: "chat of 24 messages", signed: "elliptic", data: { ...DATA, messages: CHAT } },
];

/** @typedef {{ name: string, stored: Buffer, json: object }} Kept */

/** @returns {Promise<Kept[]>} */
export async function keptRecords() {
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  const scope = { after: (/** @type {() => Promise<void>} */ end) => ends.push(end) };
  try {
    const sites = await Sites.start(scope);
    const provider = await HostileProvider.start(scope);
    const sessions = [];
    for (const sort of SORTS) sessions.push(await begin(scope, sites, provider, sort));
    const { kv } = sites.vestibule;
    const lastPut = () => kv.operations.findLast(({ op }) => op === "put")?.at ?? Date.now();
    while (Date.now() - lastPut() < QUIET) await pause(100);
    return sessions.map(({ id, name, json }) => {
      const stored = [...kv.stored].find(([key]) => key.startsWith(`s:${id}:`))?.[1].value;
      if (!stored) throw new Error(`nothing is stored of ${name}`);
      return { name, stored, json };
    });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

/**
 * @param {{ after: (end: () => Promise<void>) => void }} scope
 * @param {Sites} sites
 * @param {HostileProvider} provider
 * @param {Sort} sort
 */
async function begin(scope, sites, provider, { name, signed, identified, data }) {
  const issuer = provider.issuer();
  const site = await sites.open(
    scope,
    () => ({
      // The server receives the access token, so it must be stored.
      headers: { "X-Access-Token": "access_token" },
      ...(signed && {
        login: { mode: "required", methods: { oidc: [oidcMethod(issuer.url)] } },
      }),
    }),
    (_, reply) => {
      reply.setHeader("x-session-patch", JSON.stringify(data));
      if (identified) reply.setHeader("x-session-identify", JSON.stringify(IDENTITY));
      reply.end("ok");
    },
  );
  const browser = new Browser();
  const url = `${site.url}/`;
  const tokens = signed && (await signIn(browser, url, issuer, KEYS[signed]));
  const { status } = await browser.fetchJson(url);
  if (status !== 200) throw new Error(`${name} is answered ${status}`);
  const now = Math.floor(Date.now() / 1000);
  const json = {
    ...((signed || identified) && { identity: IDENTITY }),
    ...(tokens && { tokens }),
    data,
    created: now,
    seen: now,
    expires: now + 604_800,
  };
  return { id: site.id, name, json };
}

/**
 * @param {Browser} browser
 * @param {string} url
 * @param {import("../tests/harness/hostile-provider.mjs").Issuer} issuer
 * @param {import("./tokens.mjs").SigningKey} key
 */
async function signIn(browser, url, issuer, key) {
  const back = await browser.beginSignIn(url);
  const asked = issuer.requests.find(({ route }) => route === "authorize");
  const nonce = asked?.query.get("nonce");
  // The sign-in's id in both tokens, as from providers.
  const sid = randomUUID();
  const accessToken = await token(issuer.token("chat-server", { sid }), key);
  const claims = issuer.token("vestibule", { sid, nonce, at_hash: hashOf(accessToken) });
  const idToken = await token(claims, key);
  issuer.answers = {
    jwks: { body: { keys: [await published(key)] } },
    token: {
      body: {
        access_token: accessToken,
        token_type: "Bearer",
        expires_in: 300,
        id_token: idToken,
      },
    },
  };
  const { status, code } = await browser.step(back);
  if (status !== 303)
    throw new Error(`the way back from the provider is answered ${status} ${code}`);
  return { id_token: idToken, access_token: accessToken };
}
