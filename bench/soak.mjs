/**
 * Keeps conversations with sockets running for an hour while their servers are killed and started again one after the
 * other. It fails if a conversation or a session is lost, or if memory or sockets of the Worker's process keep growing:
 * `node bench/soak.mjs --minutes 60`.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { io } from "socket.io-client";
import { Browser } from "../tests/harness/browser.mjs";
import { until } from "../tests/harness/until.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { ChatServers } from "./chat-servers.mjs";
import { experiment } from "./experiment.mjs";
import { median } from "./quartiles.mjs";
import { machine } from "./recorded.mjs";

const SERVERS = 4;

/** Number of messages in a conversation; then its visitor leaves, and the next begins another. */
const MESSAGES = 30;

/** Downtime of a server, in milliseconds. */
const AWAY = 1_000;

/** Time in which a cut socket must be connected again, in milliseconds. */
const PATIENCE = 60_000;

/** Growth from the second quarter of the time to the last that counts as none. */
const LEVEL = 1.25;

/** @typedef {{ kilobytes: number, sockets: number }} Sample of the Worker's process */

/**
 * @typedef {object} SoakRow
 * @property {number} minutes
 * @property {number} conversations
 * @property {number} restarts of a server
 * @property {number} requests
 * @property {number} failed requests without a good answer
 * @property {number} cuts of sockets
 * @property {number} lost conversations
 * @property {number} sessions lost
 * @property {Sample} early medians of the second quarter
 * @property {Sample} late medians of the last quarter
 */

/** The conversations of a run, and what became of them. */
class Conversations {
  begun = 0;
  requests = 0;
  failed = 0;
  cuts = 0;
  lost = 0;
  sessions = 0;
  goesOn = true;
  #url;
  #pauseMs;

  /**
   * @param {string} url
   * @param {number} pauseMs between two messages
   */
  constructor(url, pauseMs) {
    this.#url = url;
    this.#pauseMs = pauseMs;
  }

  /** Holds one conversation after the other. Visitors begin spread over the time of one. */
  async visit() {
    await pause(Math.random() * this.#pauseMs);
    while (this.goesOn) await this.#converse();
  }

  async #converse() {
    const browser = new Browser(this.#url);
    this.begun += 1;
    let { count, handle } = await this.#say(browser, 0, "");
    const socket = io(this.#url, {
      transports: ["websocket"],
      forceNew: true,
      reconnectionDelayMax: 1_000,
      extraHeaders: { cookie: browser.cookie, origin: this.#url },
    });
    socket.on("disconnect", () => {
      this.cuts += 1;
    });
    try {
      for (let message = 1; message < MESSAGES && this.goesOn; message += 1) {
        await pause(this.#pauseMs * (0.5 + Math.random()));
        ({ count, handle } = await this.#say(browser, count, handle));
        const connected = { within: PATIENCE, what: "a socket's connection" };
        await until(() => socket.connected, connected);
      }
    } finally {
      socket.off("disconnect");
      socket.disconnect();
    }
  }

  /**
   * Sends a message, again if it is not answered, like a page.
   * @param {Browser} browser
   * @param {number} sent number of messages before
   * @param {string} known handle of the session; empty before the first
   * @returns {Promise<{ count: number, handle: string }>}
   */
  async #say(browser, sent, known) {
    for (;;) {
      this.requests += 1;
      const response = await browser.fetch("/say", { method: "POST" }).catch(() => undefined);
      if (response?.status === 200) {
        const { count, handle } = await response.json();
        this.lost += Number(count <= sent);
        this.sessions += Number(known !== "" && handle !== known);
        return { count, handle };
      }
      this.failed += 1;
      await response?.text();
      await pause(250);
    }
  }
}

await experiment(
  {
    file: import.meta.filename,
    does: "Keeps conversations with sockets running while their servers are killed one after the other, and fails if one is lost or if memory or sockets grow.",
    takes: "an hour, or as long as --minutes says",
    options: {
      minutes: { value: "60", means: "how long" },
      conversations: { value: "200", means: "how many at once" },
      pause: { value: "20", means: "seconds between two messages of a conversation, on average" },
      restart: { value: "30", means: "seconds between two restarts of a server" },
    },
  },
  async (run) => {
    const given = (/** @type {string} */ name) => Number(run.options[name]);
    const minutes = run.isQuick ? 0.5 : given("minutes");
    const pauseMs = run.isQuick ? 1_000 : given("pause") * 1000;
    const restartMs = run.isQuick ? 4_000 : given("restart") * 1000;
    const number = run.isQuick ? 20 : given("conversations");

    const servers = await ChatServers.reserve(run, SERVERS);
    await servers.start(...servers.ports.keys());
    const vestibule = await Vestibule.start(run, { origins: servers.origins });
    const conversations = new Conversations(vestibule.url, pauseMs);
    const visits = Array.from({ length: number }, () => conversations.visit());
    // A visit that fails ends the run at its end, not unhandled before.
    const ended = Promise.allSettled(visits);

    const deadline = Date.now() + minutes * 60_000;
    /** @type {Sample[]} */
    const samples = [];
    let restarts = 0;
    while (Date.now() < deadline) {
      const at = restarts % SERVERS;
      servers.kill(at);
      await pause(AWAY);
      await servers.start(at);
      restarts += 1;
      await pause(Math.min(restartMs, Math.max(0, deadline - Date.now())));
      samples.push(sampleOf(Number(vestibule.pid)));
    }
    conversations.goesOn = false;
    const outcomes = await ended;

    const { begun, requests, failed, cuts, lost, sessions } = conversations;
    const [early, late] = [quarter(samples, 1), quarter(samples, 3)];
    /** @type {SoakRow} */
    const row = {
      minutes,
      conversations: begun,
      restarts,
      requests,
      failed,
      cuts,
      lost,
      sessions,
      early,
      late,
    };
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    console.log(row);
    assert.deepEqual({ lost, sessions }, { lost: 0, sessions: 0 });
    assert.ok(requests > number, `${requests} requests`);
    // In less time memory is still filled for the first time.
    if (minutes >= 10) {
      assert.ok(late.kilobytes <= LEVEL * early.kilobytes, "memory levels off");
      assert.ok(late.sockets <= LEVEL * early.sockets, "sockets level off");
    }
    return { name: "soak", part: { soak: { made: machine(), row } } };
  },
);

/**
 * Returns the medians of a quarter of the time.
 * @param {Sample[]} samples
 * @param {number} nth from 0
 * @returns {Sample}
 */
function quarter(samples, nth) {
  const part = samples.slice(
    Math.floor((nth * samples.length) / 4),
    Math.ceil(((nth + 1) * samples.length) / 4),
  );
  return {
    kilobytes: median(part.map(({ kilobytes }) => kilobytes)),
    sockets: median(part.map(({ sockets }) => sockets)),
  };
}

/** Reads a process's memory and sockets from Linux. @param {number} pid @returns {Sample} */
function sampleOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return ""; // Closed since it was listed.
    }
  });
  return {
    kilobytes: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]),
    sockets: links.filter((link) => link.startsWith("socket:")).length,
  };
}
