/** Shows the conversation on the page. */

/** @typedef {{ who: "you" | "server", text: string }} Turn */

const log = /** @type {HTMLOListElement} */ (document.getElementById("log"));
// A scrollable element must be reachable by keyboard.
log.tabIndex = 0;

/** Replies being streamed, by the message's id. @type {Map<string, HTMLLIElement>} */
const streaming = new Map();

/**
 * @param {"you" | "server" | "event"} who
 * @param {string} text
 * @param {string} [server] the server that said it
 */
export function add(who, text, server) {
  const item = document.createElement("li");
  item.className = who;
  item.textContent = text;
  if (server) item.dataset.server = server;
  log.append(item);
  log.scrollTop = log.scrollHeight;
  return item;
}

/** Returns whether the conversation on this page is empty. */
export function isEmpty() {
  return !log.querySelector(".you, .server");
}

/** @param {Turn[]} turns */
export function restore(turns) {
  for (const { who, text } of turns) add(who, text);
}

/**
 * Appends a word of a reply.
 * @param {string} id
 * @param {string} word
 * @param {string} server
 */
export function token(id, word, server) {
  const item = streaming.get(id) ?? add("server", "", server);
  streaming.set(id, item);
  item.textContent += word;
  log.scrollTop = log.scrollHeight;
}

/** @param {string} id */
export function done(id) {
  streaming.delete(id);
}
