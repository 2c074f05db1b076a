/**
 * Changes the list of session keys while users are active, and counts those who are signed out:
 * `node bench/rotation.mjs`. Two isolates over one namespace get each list one after the other, as in a deployment,
 * and every user's requests alternate between them.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Fault, print } from "../scripts/progress.mjs";
import { Browser } from "../tests/harness/browser.mjs";
import { KvServer } from "../tests/harness/kv.mjs";
import { Origin } from "../tests/harness/origin.mjs";
import { until } from "../tests/harness/until.mjs";
import { freshKey, Vestibule } from "../tests/harness/workerd.mjs";
import { experiment } from "./experiment.mjs";

const USERS = 24;

/** Pause of a user between two requests, in milliseconds. */
const THINKS = 20;

/** Time for which both isolates serve a step, in milliseconds. */
const USUAL = 2_000;
const QUICK = 400;

/**
 * A step, and the list of each isolate in it. Before it every session may change once, which seals its record again, as
 * time does for a site whose operator waits.
 * @typedef {{ step: string, lists: [string, string], isAfterChange?: boolean }} Step
 */

const BEFORE = "epoch=1,OLD";
const APPENDED = "epoch=2,OLD,NEW";
const MOVED = "epoch=3,NEW,OLD";
const REMOVED = "epoch=4,NEW";

/** @type {Record<string, { steps: Step[], hasRefusals: boolean }>} */
const CASES = {
  rotation: {
    steps: [
      { step: "before", lists: [BEFORE, BEFORE] },
      { step: "append the new key", lists: [APPENDED, APPENDED] },
      { step: "move it to the front", lists: [MOVED, MOVED] },
      { step: "remove the old key", lists: [REMOVED, REMOVED], isAfterChange: true },
    ],
    hasRefusals: false,
  },
  rollback: {
    steps: [
      { step: "the new key signs", lists: [MOVED, MOVED] },
      { step: "roll back by one", lists: [APPENDED, APPENDED] },
      { step: "forward again", lists: [MOVED, MOVED] },
      { step: "half of it too far back", lists: [MOVED, BEFORE] },
      { step: "all of it too far back", lists: [BEFORE, BEFORE] },
      { step: "forward again", lists: [MOVED, MOVED] },
    ],
    hasRefusals: true,
  },
};

/** Two isolates whose list of keys can change while they serve. */
class Isolates {
  /** @type {{ vestibule: Vestibule, underWay: number }[]} */
  #serving = [];
  #lists = ["", ""];
  #run;
  #kv = new KvServer();
  #origin = "";
  #keys = new Map([
    ["OLD", freshKey()],
    ["NEW", freshKey()],
  ]);

  /** @param {import("./experiment.mjs").Run} run */
  constructor(run) {
    this.#run = run;
    run.after(() => this.#kv.stop());
  }

  /** Waits until every session is stored again. @param {() => Promise<unknown>} change */
  async stored(change) {
    const puts = () => this.#kv.operations.filter(({ op }) => op === "put").map(({ key }) => key);
    const before = puts().length;
    await change();
    const isStored = async () => new Set(puts().slice(before)).size >= USERS;
    await until(isStored, { within: 60_000, what: "every session in the namespace" });
  }

  /**
   * Sends a request to the isolate that serves at this place.
   * @param {number} at
   * @param {Browser} browser
   * @param {string} path
   */
  async request(at, browser, path) {
    const isolate = this.#serving[at];
    browser.moveTo(isolate.vestibule.url);
    isolate.underWay += 1;
    try {
      const response = await browser.fetch(path);
      return { status: response.status, text: await response.text() };
    } finally {
      isolate.underWay -= 1;
    }
  }

  /** Replaces an isolate by one with this list. @param {number} at @param {string} list */
  async replace(at, list) {
    if (this.#lists[at] === list) return;
    this.#origin ||= (await chatServer(this.#run)).url;
    const before = this.#serving[at];
    const vestibule = await Vestibule.start(this.#run, {
      kv: this.#kv,
      keys: list.replaceAll(/[A-Z]+/g, (name) => this.#keys.get(name) ?? name),
      origins: [this.#origin],
      vars: { CONSISTENCY: "eventual" },
    });
    this.#serving[at] = { vestibule, underWay: 0 };
    this.#lists[at] = list;
    if (!before) return;
    // Requests under way end in the isolate that got them.
    await until(() => before.underWay === 0, { within: 60_000, what: "the end of its requests" });
    await before.vestibule.stop();
  }
}

/**
 * Responds with the user that it is told, and signs in the one whom a request names.
 * @param {import("./experiment.mjs").Run} run
 */
function chatServer(run) {
  return Origin.start(run, ({ url = "/", headers }, reply) => {
    const { searchParams } = new URL(url, "http://origin");
    const user = searchParams.get("user");
    if (user) reply.setHeader("x-session-identify", JSON.stringify({ user }));
    if (searchParams.has("change")) reply.setHeader("x-session-patch", '{"changed":true}');
    reply.end(String(headers["x-session-user"] ?? ""));
  });
}

/** @typedef {{ served: number, kept: number, out: number }} Counts responses by what they mean to the user */

/** @returns {Counts} */
const none = () => ({ served: 0, kept: 0, out: 0 });

/** Signed-in users who send one request after the other. */
class Users {
  counts = none();
  /** Answers that have nothing to do with keys, such as timeouts of a busy machine. @type {string[]} */
  others = [];
  #goesOn = true;
  #isolates;
  /** @type {Browser[]} */
  #browsers = [];
  /** @type {Promise<void>[]} */
  #visits = [];

  /** @param {Isolates} isolates */
  constructor(isolates) {
    this.#isolates = isolates;
  }

  async signIn() {
    for (let nth = 0; nth < USERS; nth += 1) {
      const browser = new Browser("");
      await this.#isolates.request(0, browser, `/?user=user-${nth}`);
      this.#browsers.push(browser);
    }
    this.#visits = this.#browsers.map((browser, nth) => this.#visit(browser, nth));
  }

  async leave() {
    this.#goesOn = false;
    await Promise.all(this.#visits);
  }

  /** Lets every session change once. */
  async change() {
    for (const [nth, browser] of this.#browsers.entries()) {
      await this.#isolates.request(nth % 2, browser, "/?change");
    }
  }

  /** Returns whether each isolate serves each user. */
  async areAllIn() {
    const before = this.counts;
    this.counts = none();
    for (const [nth, browser] of this.#browsers.entries()) {
      for (const at of [0, 1]) await this.#request(browser, nth, at);
    }
    const { served } = this.counts;
    this.counts = before;
    return served === 2 * USERS;
  }

  /** @param {Browser} browser @param {number} nth */
  async #visit(browser, nth) {
    for (let at = nth; this.#goesOn; at += 1) {
      await this.#request(browser, nth, at % 2);
      await pause(THINKS);
    }
  }

  /** @param {Browser} browser @param {number} nth @param {number} at */
  async #request(browser, nth, at) {
    const { status, text } = await this.#isolates.request(at, browser, "/");
    const isKept = status === 503 && text.includes('"key_unknown"');
    if (status === 200 && text === `user-${nth}`) this.counts.served += 1;
    else if (browser.session === "" || status === 200) this.counts.out += 1;
    else if (isKept) this.counts.kept += 1;
    else this.others.push(`${status} ${text}`);
  }
}

const WIDTHS = [26, 17, 17, 7, 7, 11];

/** @param {(string | number)[]} cells */
function row(cells) {
  const padded = cells.map((cell, at) => {
    const text = String(cell);
    return at < 3 ? text.padEnd(WIDTHS[at]) : text.padStart(WIDTHS[at]);
  });
  print(padded.join(" ").trimEnd());
}

await experiment(
  {
    file: import.meta.filename,
    does: "Changes the list of session keys while users are active.",
    takes: "half a minute",
    options: {
      steps: { value: "rotation", means: `what to do: ${Object.keys(CASES).join(" or ")}` },
    },
  },
  async (run) => {
    const chosen = CASES[run.options.steps];
    if (!chosen) throw new Fault(`--steps is one of: ${Object.keys(CASES).join(", ")}.`);
    const isolates = new Isolates(run);
    const users = new Users(isolates);
    print(`${USERS} signed-in users, whose requests alternate between two isolates.\n`);
    row(["step", "isolate 1", "isolate 2", "200", "503", "signed out"]);
    const total = none();
    for (const [nth, { step, lists, isAfterChange }] of chosen.steps.entries()) {
      if (isAfterChange) await isolates.stored(() => users.change());
      users.counts = none();
      for (const at of [0, 1]) await isolates.replace(at, lists[at]);
      if (nth === 0) await users.signIn();
      await pause(run.isQuick ? QUICK : USUAL);
      const { served, kept, out } = users.counts;
      row([step, ...lists, served, kept, out]);
      total.kept += kept;
      total.out += out;
    }
    await users.leave();
    const areIn = await users.areAllIn();
    print(`\n${total.out} signed out. ${areIn ? "All" : "Not all"} users are still signed in.`);
    if (users.others.length > 0) {
      print(`${users.others.length} other failures, the first: ${users.others[0]}`);
    }
    if (total.out > 0 || !areIn) throw new Fault("A change of keys must sign nobody out.");
    if (total.kept > 0 !== chosen.hasRefusals) {
      throw new Fault(`There were ${total.kept} answers with 503.`);
    }
  },
);
