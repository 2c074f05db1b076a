/**
 * Runs the demo's page: chat, stop the server, continue the chat, and see what happens meanwhile.
 */

import { add, done, isEmpty, restore, token } from "/chat.js";
import {
  explain,
  isAway,
  keepCounting,
  showAnswering,
  showServers,
  showStopping,
} from "/picture.js";
import { outdate, watch } from "/servers.js";
import { keepSessionShown, showHeaders, showSession } from "/session.js";
import { io } from "/socket.io/socket.io.esm.min.js";
import { isDone, tick, visit } from "/story.js";
import { handOver, travel } from "/wires.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("form"));
const text = /** @type {HTMLInputElement} */ (document.getElementById("text"));
const kill = /** @type {HTMLButtonElement} */ (document.getElementById("kill"));
const chat = /** @type {HTMLElement} */ (document.querySelector(".chat"));

/** Pauses before a failed message is sent again, in milliseconds. */
const RETRIES = [300, 1_000, 2_500];

/** Maximum time for a message to wait until a server is reached, in milliseconds. */
const PATIENCE = 10_000;

/** Number of a reply's words for each dot in the picture. */
const WORDS_PER_DOT = 5;

/** Number of failed connection attempts that show an outage; a single one does not. */
const FAILURES_THAT_PROVE = 2;

/** The server that responded last, and its process. */
let server = "";
let process = 0;

let failures = 0;
let words = 0;

/** Messages sent on this page, not in another tab. @type {Set<string>} */
const own = new Set();

const socket = io({ reconnectionDelay: 200, reconnectionDelayMax: 2_000 });

const look = watch(
  () => socket.connected,
  (report) => {
    for (const name of showServers(report)) {
      if (name !== report.by) explain(cameBack(name, report.by));
    }
  },
);

socket.on("welcome", async ({ name, pid, headers, state, turns, restored }) => {
  const before = server;
  const isSameProcess = pid === process;
  server = name;
  process = pid;
  failures = 0;
  chat.dataset.server = name;
  showText("server", `${name} answers`);
  mayStop(true);
  visit(headers["x-session-id"]);
  if (isEmpty()) restore(turns);
  if (before && before !== name) {
    add("event", `${before} went away — ${name} picked up with ${count(restored)}`);
  } else if (!before && restored > 0) {
    add("event", `${name} took up ${count(restored)} from your session`);
  }
  if (!before && turns.length > 0) tick("return");
  showHeaders(headers);
  showSession();
  outdate();
  showAnswering(name);
  if (restored > 0) handOver(name);
  await look();
  explain(welcomed({ before, name, state, turns: turns.length, restored, isSameProcess }));
});
socket.on("said", ({ id, text }) => {
  if (own.has(id)) return;
  add("you", text);
  travel(server, "there");
});
socket.on("token", ({ id, word, by }) => {
  token(id, word, by);
  if (words % WORDS_PER_DOT === 0) travel(by, "back");
  words += 1;
});
socket.on("done", ({ id }) => {
  done(id);
  showSession();
});
socket.on("disconnect", () => {
  mayStop(false);
  outdate();
  showAnswering(undefined);
  delete chat.dataset.server;
  showText("server", "Reconnecting…");
});
socket.on("connect_error", () => {
  failures += 1;
  if (failures === FAILURES_THAT_PROVE) {
    explain(
      "No server answers. Your session is still at the edge: the first that is back will be told who you are and what was said.",
    );
  }
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = text.value.trim();
  if (!message) return;
  text.value = "";
  const id = crypto.randomUUID();
  own.add(id);
  await welcome();
  const item = add("you", message);
  const taken = await post("/demo/message", { id, text: message });
  if (!taken) {
    item.remove();
    text.value ||= message;
    note("That did not get through. Send it again.");
    return;
  }
  explain(
    isDone("stop") && !isDone("go-on")
      ? `${taken.by} goes on where the other stopped, and counts on: what it knows of you came with your session.`
      : `Your message went through the door to ${taken.by}, which keeps it in its memory. The last turns also went into your session, at the edge.`,
  );
  tick("say");
  if (isDone("stop")) tick("go-on");
});

kill.addEventListener("click", async () => {
  if (kill.ariaDisabled === "true") return;
  mayStop(false);
  add("event", `Stopping ${server} …`);
  const response = await fetch("/demo/kill", { method: "POST" }).catch(() => null);
  const stopping = response?.ok ? (await response.json()).stopping : undefined;
  if (!stopping) note("Nobody heard that. Try again.");
  if (stopping !== server) mayStop(socket.connected);
  if (!stopping) return;
  tick("stop");
  outdate();
  showStopping(stopping);
  if (stopping === server) {
    explain(`${stopping} is stopped, and its memory with it. The door turns to the other server …`);
  }
});

document.getElementById("logout")?.addEventListener("click", async () => {
  const response = await fetch("/_session/logout", { method: "POST" }).catch(() => null);
  if (!response?.ok) return note("Signing out did not work. Try again.");
  tick("leave");
  location.reload();
});

/** Waits for the connection over which the answer comes. Without one, sending may still reach a server. */
async function welcome() {
  if (chat.dataset.server) return;
  note("Connecting …");
  await new Promise((resolve) => {
    const late = setTimeout(resolve, PATIENCE, undefined);
    socket.once("welcome", () => {
      clearTimeout(late);
      resolve(undefined);
    });
  });
  note("");
}

/**
 * Posts JSON, and repeats that while Vestibule reports that no server received it. The server
 * detects a repeated message by its id.
 * @param {string} url
 * @param {unknown} body
 * @returns {Promise<{ by: string } | null>} the server that received it
 */
async function post(url, body) {
  for (const delay of [0, ...RETRIES]) {
    if (delay) {
      note("Nobody answered; trying again …");
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
    travel(server, "there");
    const init = { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(url, init).catch(() => null);
    if (response?.ok) {
      note("");
      return response.json();
    }
    if (response && response.status < 500) return null;
  }
  return null;
}

/**
 * Returns the explanation of a server's welcome message.
 * @param {{ before: string, name: string, state: string, turns: number, restored: number, isSameProcess: boolean }} welcome
 */
function welcomed({ before, name, state, turns, restored, isSameProcess }) {
  const suffix = state === "takeover" ? " (X-Session-State: takeover)" : "";
  if (before && !isSameProcess) {
    const knew = restored > 0 ? "who you are and what was said" : "who you are";
    const lost = before === name || isAway(before) ? "’s memory is gone" : " did not answer";
    return `${before}${lost}. Your session was at the edge: ${name} was told ${knew}${suffix}.`;
  }
  if (before) return `The connection was lost. The door brought you back to ${name}.`;
  if (restored > 0) {
    return `${name} had never met you. It was told what was said, because your session carries it${suffix}.`;
  }
  if (turns > 0) return `Your cookie brought you back to ${name}, where your conversation is.`;
  if (isDone("leave")) {
    return "You logged out: that session ended at the edge, and its cookie is worthless. This is a new one.";
  }
  return `${name} answers you: the door chose it, and brings you there each time. Say something.`;
}

/**
 * @param {string} name
 * @param {string} by with whom the visitor is
 */
function cameBack(name, by) {
  return `${name} is back: a new process with an empty memory. You stay with ${by}, which knows your conversation.`;
}

/** Does not set `disabled`, which would lose the keyboard focus. @param {boolean} may */
function mayStop(may) {
  kill.ariaDisabled = String(!may);
}

/** @param {number} turns */
function count(turns) {
  return turns === 1 ? "1 remembered turn" : `${turns} remembered turns`;
}

/** @param {string} message */
function note(message) {
  showText("note", message);
}

/**
 * @param {string} id
 * @param {string} message
 */
function showText(id, message) {
  const element = document.getElementById(id);
  if (element) element.textContent = message;
}

// Before this, the browser itself would send the form.
text.disabled = false;
showSession();
keepSessionShown();
keepCounting();
