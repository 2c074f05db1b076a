/**
 * Runs a busy deployment to look at: tenants of several kinds; servers that are healthy, draining, full
 * and dead; guests and signed-in users, open streams, and errors.
 */
import { once } from "node:events";
import { request } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { enrol } from "../harness/accounts.mjs";
import { KvServer } from "../harness/kv.mjs";
import { Origin } from "../harness/origin.mjs";
import { freePort } from "../harness/ports.mjs";
import { Browser } from "../harness/sign-in.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { TOKEN } from "./console-page.mjs";

/** Gives access to acme's data, at acme's own host. */
export const ACME_TOKEN = "an-admin-token-of-acme-alone";

const AGENTS = {
  linux: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  mac: "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
  windows:
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
  phone:
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
  android:
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Mobile Safari/537.36",
};

/** Session data of a chat server; some of it is private. */
const KEPT = {
  theme: "dark",
  locale: "de-AT",
  room: { id: 4711, title: "Returns and refunds", unread: 3 },
  cart: [
    { sku: "VB-204", count: 2, price: 19.9 },
    { sku: "VB-877", count: 1, price: 240 },
  ],
  backend: { region: "eu-central", access_token: "sk-of-nobodys-business-4f1b" },
  consent: { analytics: false, asked: null },
};

/** Accounts of acme, with country and device. @type {[string, string, string, keyof typeof AGENTS][]} */
const PEOPLE = [
  ["ada", "Ada Lovelace", "DE", "linux"],
  ["ada", "Ada Lovelace", "DE", "phone"],
  ["grace", "Grace Hopper", "US", "windows"],
  ["hedy", "Hedy Lamarr", "AT", "mac"],
  ["alan", "Alan Turing", "GB", "android"],
];

/** @typedef {{ after: (fn: () => Promise<void>) => void }} Ends */

/**
 * A chat server that reports its load.
 * @param {Ends} t
 * @param {number} load of 1
 */
async function server(t, load) {
  const origin = await Origin.start(t, (request, reply) => {
    const path = request.url ?? "/";
    reply.setHeader("endpoint-load-metrics", `TEXT application_utilization=${load}`);
    if (path === "/missing") reply.statusCode = 404;
    if (path === "/broken") reply.statusCode = 500;
    if (path === "/events") {
      reply.setHeader("content-type", "text/event-stream");
      return void reply.write("data: here\n\n");
    }
    if (path === "/") reply.setHeader("x-session-patch", JSON.stringify(KEPT));
    reply.end("ok");
  });
  const sockets = new WebSocketServer({ server: origin.server });
  t.after(async () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
  });
  return origin;
}

export class BusySite {
  /** @type {Vestibule} */
  vestibule;

  /** @param {Vestibule} vestibule */
  constructor(vestibule) {
    this.vestibule = vestibule;
  }

  /**
   * Opens the deployment, and sends traffic for a while.
   * @param {Ends} t
   */
  static async start(t) {
    const [a, b, c, elsewhere] = await Promise.all(
      [0.42, 0.08, 0.93, 0.2].map((load) => server(t, load)),
    );
    const gone = `http://127.0.0.1:${await freePort()}`;
    const tenants = new KvServer();
    t.after(() => tenants.stop());
    const accounts = /** @type {any} */ ({ tenants });
    for (const [user, name] of new Map(PEOPLE.map(([user, name]) => [user, name])))
      enrol(accounts, "acme", {
        user,
        name,
        email: `${user}@acme.example`,
        groups: user === "ada" ? ["staff", "early-access"] : ["staff"],
        password: "correct horse battery",
      });
    /** @type {Record<string, object>} */
    const documents = {
      acme: {
        login: { mode: "optional", methods: { password: true } },
        session: { idle: "8h", absolute: "7d", streams: "revocable" },
        vault: ["upstream_sid"],
        origins: [
          { name: "chat-a", url: a.url, capacity: 20, weight: 2 },
          { name: "chat-b", url: b.url, capacity: 20 },
          { name: "chat-c", url: c.url, capacity: 20, release: "v2" },
          { name: "chat-d", url: gone },
        ],
        routing: { canary: { release: "v2", percent: 30 } },
        branding: { title: "Acme Help", colors: { accent: "#1b7f4b" } },
      },
      globex: {
        login: { mode: "required", methods: { password: true } },
        origins: [{ name: "desk", url: elsewhere.url }],
        branding: { title: "Globex Desk" },
      },
      initech: { origins: [{ name: "one", url: elsewhere.url }] },
    };
    for (const [id, document] of Object.entries(documents)) {
      const host = `${id}.localhost`;
      tenants.plant(`host:${host}`, id);
      tenants.plant(`tenant:${id}`, JSON.stringify({ id, hosts: [host], ...document }));
    }
    const vestibule = await Vestibule.start(t, {
      tenants,
      origins: [],
      vars: { ADMIN_TOKEN: TOKEN, ACME__ADMIN_TOKEN: ACME_TOKEN, TELEMETRY_EVERY: "250" },
    });
    const site = new BusySite(vestibule);
    await site.#drain("acme", "chat-b");
    await Promise.all([site.#signIns(), site.traffic()]);
    await site.#streams(t);
    return site;
  }

  /** Returns a tenant's URL. @param {string} tenant */
  at(tenant) {
    return `http://${tenant}.localhost:${this.vestibule.port}`;
  }

  /** Sends requests of guests, most of them successful. */
  async traffic() {
    const paths = ["/", "/rooms", "/rooms/4711", "/missing", "/", "/broken"];
    const agents = Object.values(AGENTS);
    for (const [tenant, visitors] of /** @type {const} */ ([
      ["acme", 12],
      ["globex", 2],
      ["initech", 4],
    ])) {
      for (let visitor = 0; visitor < visitors; visitor += 1) {
        const browser = new Browser();
        const headers = { "user-agent": agents[visitor % agents.length], "cf-ipcountry": "AT" };
        for (const path of paths.slice(0, 2 + (visitor % 5)))
          await browser.send(`${this.at(tenant)}${path}`, { headers });
      }
    }
  }

  async #signIns() {
    for (const [user, , country, agent] of PEOPLE) {
      const browser = new Browser();
      const headers = { "user-agent": AGENTS[agent], "cf-ipcountry": country };
      const attempt = (/** @type {string} */ password) =>
        browser.fetchJson(`${this.at("acme")}/_session/login`, {
          method: "POST",
          headers,
          json: { username: user, password },
        });
      if (user === "alan") await attempt("enigma");
      await attempt("correct horse battery");
      await browser.send(`${this.at("acme")}/`, { headers });
    }
  }

  /** Opens sockets and event streams, and keeps them open. @param {Ends} t */
  async #streams(t) {
    const { port } = this.vestibule;
    const origin = this.at("acme");
    const { host } = new URL(origin);
    for (let each = 0; each < 3; each += 1) {
      const events = request({ port, path: "/events", headers: { host } }).end();
      events.on("error", () => {});
      t.after(async () => void events.destroy());
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`, { origin, headers: { host } });
      t.after(async () => socket.terminate());
      await Promise.all([once(events, "response"), once(socket, "open")]);
    }
  }

  /**
   * @param {string} tenant
   * @param {string} name
   */
  async #drain(tenant, name) {
    const place = `${this.vestibule.url}/_session/admin/origins/${name}/drain?tenant=${tenant}`;
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await fetch(place, { method: "POST", headers });
    if (!response.ok) throw new Error(await response.text());
  }
}
