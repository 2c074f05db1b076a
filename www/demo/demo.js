/**
 * The newcomer's page: chat, see the session, stop the server that answers, and go on talking.
 */

import { add, done, isEmpty, restore, token } from "/chat.js";
import { keepSessionShown, showHeaders, showSession } from "/session.js";
import { io } from "/socket.io/socket.io.esm.min.js";

const form = /** @type {HTMLFormElement} */ (document.getElementById("form"));
const text = /** @type {HTMLInputElement} */ (document.getElementById("text"));
const kill = /** @type {HTMLButtonElement} */ (document.getElementById("kill"));
const chat = /** @type {HTMLElement} */ (document.querySelector(".chat"));

/** How long to wait before a message that did not get through is sent again, in milliseconds. */
const RETRIES = [300, 1_000, 2_500];

/** Which server answered last. */
let server = "";

const socket = io({ reconnectionDelay: 200, reconnectionDelayMax: 2_000 });

socket.on("welcome", ({ name, pid, headers, turns, restored }) => {
  const before = server;
  server = name;
  chat.dataset.server = name;
  tell("server", `${name} answers (process ${pid})`);
  kill.disabled = false;
  if (isEmpty()) restore(turns);
  if (before && before !== name) {
    add("event", `${before} went away — ${name} picked up with ${count(restored)}`);
  } else if (!before && restored > 0) {
    add("event", `${name} took up ${count(restored)} from your session`);
  }
  showHeaders(headers);
  showSession();
});
socket.on("token", ({ id, word, by }) => token(id, word, by));
socket.on("done", ({ id }) => {
  done(id);
  showSession();
});
socket.on("disconnect", () => {
  kill.disabled = true;
  tell("server", "Reconnecting…");
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = text.value.trim();
  if (!message) return;
  text.value = "";
  add("you", message);
  const sent = await post("/demo/message", { id: crypto.randomUUID(), text: message });
  if (!sent) note("That did not get through. Send it again.");
});

kill.addEventListener("click", async () => {
  kill.disabled = true;
  add("event", `Stopping ${server} …`);
  await fetch("/demo/kill", { method: "POST" }).catch(() => null);
});

document.getElementById("logout")?.addEventListener("click", async () => {
  const response = await fetch("/_session/logout", { method: "POST" });
  if (response.ok) location.reload();
  else note("Signing out did not work. Try again.");
});

/**
 * Posts JSON, again while the door says that no server took it. The server knows a message it has
 * seen by its id.
 * @param {string} url
 * @param {unknown} body
 */
async function post(url, body) {
  for (const delay of [0, ...RETRIES]) {
    if (delay) {
      note("Nobody answered; trying again …");
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
    const init = { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(url, init).catch(() => null);
    if (response?.ok) {
      note("");
      return true;
    }
    if (response && response.status < 500) return false;
  }
  return false;
}

/** @param {number} turns */
function count(turns) {
  return turns === 1 ? "1 remembered turn" : `${turns} remembered turns`;
}

/** @param {string} message */
function note(message) {
  tell("note", message);
}

/**
 * @param {string} id
 * @param {string} message
 */
function tell(id, message) {
  const element = document.getElementById(id);
  if (element) element.textContent = message;
}

showSession();
keepSessionShown();
