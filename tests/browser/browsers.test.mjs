/** Tests what a visitor meets in every browser: the session, signing in, streams, waiting, the demo and the console. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WebSocketServer } from "ws";
import { DemoOrigins } from "../../scripts/demo-origins.mjs";
import { enrol } from "../harness/accounts.mjs";
import { Origin } from "../harness/origin.mjs";
import { Provider } from "../harness/provider.mjs";
import { clientOf, oidcMethod, Browser as Program, Sites } from "../harness/sign-in.mjs";
import { until } from "../harness/until.mjs";
import { inEveryBrowser, SIDE_BY_SIDE } from "./browsers.mjs";
import { address, TOKEN } from "./console-page.mjs";
import { becomes, fill, press, shows } from "./tab.mjs";

/** @typedef {import("../harness/origin.mjs").Message} Message */
/** @typedef {import("../harness/origin.mjs").Reply} Reply */

const PASSWORD = "correct horse battery";

/** A page of a chat server: who its visitor is, and what its stream of numbered events brought. */
const PAGE = `<!doctype html><title>Chat</title><script>
  globalThis.events = [];
  new EventSource("/events").onmessage = ({ data, lastEventId }) =>
    events.push([data, Number(lastEventId)]);
</script>`;

const sites = await Sites.start({ after }, { vars: { ADMIN_TOKEN: TOKEN } });

/**
 * A chat server. Its stream continues after the last event that the browser received.
 * @param {string} name
 */
function chat(name) {
  return (/** @type {Message} */ request, /** @type {Reply} */ reply) => {
    const user = request.headers["x-session-user"];
    if (request.url !== "/events") {
      reply.setHeader("content-type", "text/html");
      if (request.method === "POST") reply.setHeader("x-session-patch", '{"written":true}');
      return void reply.end(
        `${PAGE}<p>handle ${request.headers["x-session-id"]}, user ${user}, data ${request.headers["x-session-data"]}</p>`,
      );
    }
    let id = Number(request.headers["last-event-id"] ?? 0);
    reply.writeHead(200, { "content-type": "text/event-stream" });
    reply.write("retry: 100\n\n");
    const timer = setInterval(() => {
      id += 1;
      reply.write(`id: ${id}\ndata: ${name}\n\n`);
    }, 50);
    reply.on("close", () => clearInterval(timer));
  };
}

/** Returns the handle that the page shows. @param {import("./tab.mjs").Tab} tab @returns {Promise<string>} */
function handle(tab) {
  return becomes(tab, "/handle (\\S+),/.exec(document.body.innerText)?.[1]", "the page");
}

/** @param {import("./tab.mjs").Tab} tab */
async function user(tab) {
  return becomes(tab, "/user (\\S+),/.exec(document.body.innerText)?.[1]", "the page");
}

test(
  "a reload keeps the session and its data, and no script reads its cookie",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const site = await sites.open(t, () => ({}), chat("one"));
    await tab.goto(site.url);
    const first = await handle(tab);
    await tab.evaluate('void fetch("/", { method: "POST" }).then(() => location.reload())');
    await shows(tab, 'data {"written":true}');
    assert.equal(await handle(tab), first);
    const cookies = (await tab.cookies()).map(({ name, httpOnly, sameSite }) => ({
      name,
      httpOnly,
      sameSite,
    }));
    assert.deepEqual(cookies, [{ name: "vestibule-session", httpOnly: true, sameSite: "Lax" }]);
    assert.equal(await tab.evaluate("document.cookie"), "");
  }),
);

test(
  "a page of another site opens no socket here, and its requests have no session",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const site = await sites.open(t, () => ({}), chat("one"));
    const sockets = new WebSocketServer({ server: site.origin.server });
    let opened = 0;
    sockets.on("connection", () => {
      opened += 1;
    });
    const other = await Origin.start(t);
    /** @param {string} outcome */
    const socket = async (outcome) => {
      const address = JSON.stringify(`${site.url.replace("http", "ws")}/socket`);
      await tab.evaluate(`void (globalThis.socket = new WebSocket(${address}))`);
      await becomes(tab, `socket.readyState === WebSocket.${outcome}`, outcome);
    };
    await tab.goto(site.url);
    const own = await handle(tab);
    await socket("OPEN");

    await tab.goto(other.url);
    await socket("CLOSED");
    // The first page's own goes with it.
    await until(() => sockets.clients.size === 0, { what: "no open socket" });
    assert.equal(opened, 1);
    const request = { mode: "no-cors", credentials: "include" };
    await tab.evaluate(`void fetch("${site.url}/foreign", ${JSON.stringify(request)})`);
    await until(() => site.origin.requests.at(-1)?.url === "/foreign", { what: "the request" });
    assert.notEqual(site.origin.received("x-session-id")[0], own);
  }),
);

test(
  "a visitor signs in by password, and out again",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const login = { mode: "required", methods: { password: true } };
    const site = await sites.open(t, () => ({ login }), chat("one"));
    enrol(sites, site.id, { user: "gina", password: PASSWORD });
    const attempt = async (/** @type {string} */ password) => {
      await fill(tab, "Username", "gina");
      await fill(tab, "Password", password);
      await press(tab, "Sign in");
    };
    await tab.goto(`${site.url}/rooms`);
    await attempt("wrong horse battery");
    await becomes(tab, 'document.querySelector("[role=alert]") !== null', "the refusal");
    await attempt(PASSWORD);
    assert.equal(await user(tab), "gina");
    assert.equal(await tab.evaluate("location.pathname"), "/rooms");

    await tab.goto(`${site.url}/_session/logout`);
    await press(tab, "Sign out");
    await becomes(tab, 'location.pathname === "/_session/signed-out"', "the last page");
    assert.deepEqual(await tab.cookies(), []);
  }),
);

test(
  "a visitor signs in at a provider of another site, and out at both",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const provider = await Provider.start(t, { accounts: { alice: { name: "Alice" } } });
    const login = { mode: "required", methods: { oidc: [oidcMethod(provider.url)] } };
    const site = await sites.open(t, () => ({ login }), chat("one"));
    provider.register(clientOf(site));
    await tab.goto(`${site.url}/rooms`);
    await fill(tab, "Account", "alice");
    await press(tab, "Continue");
    assert.equal(await user(tab), "alice");
    assert.equal(await tab.evaluate("location.pathname"), "/rooms");

    await tab.goto(`${site.url}/_session/logout`);
    await press(tab, "Sign out");
    await press(tab, "Sign out here too");
    await becomes(tab, 'location.pathname === "/_session/signed-out"', "the last page");
    await tab.goto(site.url);
    await becomes(tab, 'document.querySelector("[name=account]") !== null', "the sign-in");
  }),
);

test(
  "an event stream continues with the next server, and no event is lost or repeated",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const servers = [await Origin.start(t, chat("one")), await Origin.start(t, chat("two"))];
    const origins = servers.map(({ url }) => ({ url }));
    const site = await sites.open(t, () => ({ origins }));
    await tab.goto(site.url);
    const home = await becomes(tab, "events.length > 5 && events[0][0]", "events");
    await servers[home === "one" ? 0 : 1].stop();
    const moved = `events.filter(([name]) => name !== "${home}").length > 5 && events`;
    /** @type {[string, number][]} */
    const events = await becomes(tab, moved, "events of the other server");
    assert.deepEqual(
      events.map(([, id]) => id),
      events.map((_, at) => at + 1),
    );
  }),
);

test(
  "when all servers are full, a newcomer waits and is let in without doing anything",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    let load = 1;
    const routing = { overload: { load: 90 } };
    const site = await sites.open(
      t,
      () => ({ routing }),
      (request, reply) => {
        reply.setHeader("endpoint-load-metrics", `TEXT application_utilization=${load}`);
        chat("one")(request, reply);
      },
    );
    const earlier = new Program();
    await earlier.get(site.url);
    await tab.goto(site.url);
    await shows(tab, "All places are taken right now");
    load = 0.1;
    await earlier.get(site.url);
    await handle(tab);
  }),
);

test(
  "the demo's conversation over socket.io continues with the other server",
  SIDE_BY_SIDE,
  inEveryBrowser(async (t, tab) => {
    const demo = new DemoOrigins();
    t.after(async () => demo.stop());
    const origins = (await demo.start(["blue", "green"])).map((origin) => {
      const [name, url] = origin.split("=");
      return { name, url };
    });
    const site = await sites.open(t, () => ({ origins }));
    const say = async (/** @type {string} */ text, /** @type {number} */ count) => {
      await fill(tab, "Your message", text);
      await press(tab, "Send");
      await shows(tab, `message ${count} of our conversation`);
    };
    await tab.goto(site.url);
    await say("Good morning", 1);
    await press(tab, "Stop this server");
    await shows(tab, "picked up with 2 remembered turns");
    await say("Are you there?", 2);
    assert.equal(await tab.evaluate("document.querySelectorAll('#log .you').length"), 2);
  }),
);

test(
  "an operator signs in to the console and sees the deployment",
  SIDE_BY_SIDE,
  inEveryBrowser(async (_, tab) => {
    await tab.goto(address(sites.vestibule, "overview"));
    await fill(tab, "Admin token", TOKEN);
    await press(tab, "Sign in");
    const figure = "document.querySelector('[data-figure=\"requests\"]')?.textContent";
    await becomes(tab, `Number(${figure}) > 0`, "the number of requests");
    await tab.reload();
    await becomes(tab, `Number(${figure}) > 0`, "the number of requests after a reload");
  }),
);
