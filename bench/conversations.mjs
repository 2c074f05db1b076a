/**
 * Runs a thousand conversations with four socket.io servers. One is killed, one drained, one slowed down
 * and one fully loaded; then two are added: `node bench/conversations.mjs`. Prints the figures of
 * docs/guide/routing.md.
 */
import { io } from "socket.io-client";
import { Browser } from "../tests/harness/browser.mjs";
import { until } from "../tests/harness/until.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { ChatServers } from "./chat-servers.mjs";
import { experiment } from "./experiment.mjs";

const VISITORS = 1_000;
const NEWCOMERS = 400;
const QUICK_VISITORS = 60;
const QUICK_NEWCOMERS = 40;
const AT_ONCE = 25;
const ADMIN = "an-admin-token-for-tests";

/** @typedef {{ browser: Browser, sent: number, home: string, moves: number, drops: number, socket?: import("socket.io-client").Socket }} Visitor */

/** The Worker of the run, with its visitors and what went wrong. @type {Vestibule} */
let vestibule;
/** @type {Visitor[]} */
let visitors;
const failures = { requests: 0, strays: 0 };

await experiment(
  {
    file: import.meta.filename,
    does: "Holds a thousand conversations while servers die, drain, slow down, fill up and are added.",
    takes: "5 minutes",
  },
  async (run) => {
    const count = run.isQuick ? QUICK_VISITORS : VISITORS;
    const some = run.isQuick ? QUICK_NEWCOMERS : NEWCOMERS;
    const servers = await ChatServers.reserve(run, 4);
    await servers.start(0, 1, 2, 3);
    vestibule = await Vestibule.start(run, {
      origins: servers.origins,
      vars: { OVERLOAD_LOAD: "90", STREAMS: "revocable", ADMIN_TOKEN: ADMIN },
    });
    visitors = Array.from({ length: count }, () => ({
      browser: new Browser(vestibule.url),
      sent: 0,
      home: "",
      moves: 0,
      drops: 0,
    }));
    run.after(() => {
      for (const { socket } of visitors) socket?.disconnect();
    });

    await everybody(visitors, sendMessage);
    await everybody(visitors, listen);
    report(`${count} conversations, a socket each`, balance(visitors));
    await everybody(visitors, sendMessage);

    servers.kill(0);
    const killed = Date.now();
    await everybody(visitors, sendMessage);
    report("one server killed", `${moved()} moved, ${failures.requests} requests failed`);
    const first = await firstWithout("s0");
    report("", `no newcomer sent there after ${first - killed} ms`);
    await everybody(
      visitors.filter(({ socket }) => !socket?.connected),
      listen,
    );
    await servers.start(0);
    const back = Date.now();
    await until(async () => "s0" in (await newcomers(20)), { within: 60_000 });
    report("it is back", `newcomers there again after ${Date.now() - back} ms`);

    await admin("/s1/drain");
    await until(async () => !("s1" in (await newcomers(20))));
    await everybody(visitors, sendMessage);
    report("one server drained", `newcomers: ${text(await newcomers(some))}; ${moved()} moved`);
    await admin("/s1/undrain");
    await until(async () => "s1" in (await newcomers(20)));

    await servers.mood(2, "slow=300");
    await everybody(visitors, sendMessage);
    const slowed = text(await newcomers(some));
    report("one server slow (300 ms)", `newcomers: ${slowed}; ${moved()} moved`);
    await servers.mood(2, "slow=0");

    await servers.mood(3, "load=1");
    await everybody(visitors, sendMessage);
    const loaded = text(await newcomers(some));
    report("one server reports 100 % load", `newcomers: ${loaded}; ${moved()} moved`);
    await servers.mood(3, "load=0");

    // Two more servers for new sessions; a deployment replaces the Worker.
    const interrupted = drops();
    const second = Date.now() - (Date.now() % 1000) + 1000;
    const since = new Date(second).toISOString().replace(".000", "");
    await servers.add(2);
    await servers.start(4, 5);
    await until(() => Date.now() > Date.parse(since));
    vestibule.origins = servers.origins.map((origin, at) =>
      at < 4 ? origin : `${origin};since=${since}`,
    );
    await vestibule.restart();
    await everybody(visitors, sendMessage);
    await everybody(visitors, listen);
    report("two servers added", `${moved()} moved; newcomers: ${text(await newcomers(some))}`);

    await everybody(visitors, sendMessage);
    let lost = 0;
    for (const visitor of visitors) {
      const { count } = await visitor.browser.json("/look");
      lost += Number(count !== visitor.sent);
    }
    report(
      "in the end",
      `${lost} conversations lost, ${interrupted} sockets interrupted before the deployment, ` +
        `${failures.requests} requests failed, ${failures.strays} sockets elsewhere than their messages`,
    );
  },
);

/**
 * @template T
 * @param {T[]} all
 * @param {(one: T) => Promise<void>} act
 */
async function everybody(all, act) {
  const waiting = [...all];
  const work = async () => {
    for (let one = waiting.pop(); one; one = waiting.pop()) await act(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

/** Sends one message; repeats a failed request, like a page. @param {Visitor} visitor */
async function sendMessage(visitor) {
  for (;;) {
    const response = await visitor.browser.fetch("/say").catch(() => undefined);
    if (response?.status === 200) {
      const { name, count } = await response.json();
      visitor.moves += Number(visitor.home !== "" && visitor.home !== name);
      visitor.home = name;
      visitor.sent = count;
      return;
    }
    failures.requests += 1;
    await response?.text();
  }
}

/** @param {Visitor} visitor */
async function listen(visitor) {
  const socket = io(vestibule.url, {
    transports: ["websocket"],
    reconnection: false,
    forceNew: true,
    extraHeaders: { cookie: visitor.browser.cookie, origin: vestibule.url },
  });
  visitor.socket = socket;
  const here = await new Promise((resolve, reject) => {
    socket.once("here", resolve);
    socket.once("connect_error", reject);
  });
  if (here !== visitor.home) failures.strays += 1;
  socket.once("disconnect", () => {
    visitor.drops += 1;
  });
}

/** @param {number} count */
async function newcomers(count) {
  /** @type {Record<string, number>} */
  const places = {};
  await everybody(
    Array.from({ length: count }, (_, number) => number),
    async () => {
      const response = await fetch(`${vestibule.url}/look`).catch(() => undefined);
      if (response?.status !== 200) return;
      const { name } = await response.json();
      places[name] = (places[name] ?? 0) + 1;
    },
  );
  return places;
}

/** Waits until no new session goes to a server; returns the time. @param {string} name */
async function firstWithout(name) {
  await until(async () => !(name in (await newcomers(20))));
  return Date.now();
}

function drops() {
  return visitors.reduce((sum, visitor) => sum + visitor.drops, 0);
}

/** Returns the number of conversations that moved since the last call. */
function moved() {
  const count = visitors.filter(({ moves }) => moves > 0).length;
  for (const visitor of visitors) visitor.moves = 0;
  return count;
}

/** @param {Visitor[]} all */
function balance(all) {
  /** @type {Record<string, number>} */
  const places = {};
  for (const { home } of all) places[home] = (places[home] ?? 0) + 1;
  const most = Math.max(...Object.values(places));
  return `${text(places)}; busiest ${((most * 4) / all.length).toFixed(2)} of its share`;
}

/** @param {Record<string, number>} places */
function text(places) {
  const names = Object.keys(places).sort();
  return names.map((name) => `${name} ${places[name]}`).join(", ");
}

/** @param {string} path */
async function admin(path) {
  const headers = { authorization: `Bearer ${ADMIN}` };
  const url = `${vestibule.url}/_session/admin/origins${path}`;
  const { status } = await fetch(url, { method: "POST", headers });
  if (status !== 204) throw new Error(`${path}: ${status}`);
}

/**
 * @param {string} what
 * @param {string} figures
 */
function report(what, figures) {
  console.log(`${what.padEnd(36)}${figures}`);
}
