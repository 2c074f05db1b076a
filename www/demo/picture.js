/** Draws the picture: the visitor's server, the state of all servers, and the last event. */

import { light } from "/wires.js";

/** @typedef {import("./servers.js").Report} Report */

/**
 * @typedef {object} Card
 * @property {HTMLElement} element
 * @property {boolean} [up] unknown before the first report
 * @property {number} [backAt] time of its restart, by this page's clock
 * @property {string} facts
 */

/** @type {Map<string, Card>} */
const cards = new Map();
for (const element of document.querySelectorAll(".servers [data-server]")) {
  const card = /** @type {HTMLElement} */ (element);
  cards.set(String(card.dataset.server), { element: card, facts: "" });
}

/** The server that responds; none while the connection is lost. @type {string | undefined} */
let answering;

/** @param {string | undefined} name undefined: no server is reached */
export function showAnswering(name) {
  answering = name;
  const card = name && cards.get(name);
  if (card) card.up = true;
  light(name);
  render();
}

/** @param {string} name that announced its stop */
export function showStopping(name) {
  const card = cards.get(name);
  if (!card) return;
  Object.assign(card, { up: false, backAt: undefined, facts: "its memory is gone" });
  if (answering === name) showAnswering(undefined);
  render();
}

/**
 * @param {Report} report
 * @returns {string[]} servers that returned
 */
export function showServers({ by, servers }) {
  const back = [];
  for (const { name, up, pid, conversations = 0, backInMs } of servers) {
    const card = cards.get(name);
    if (!card) continue;
    if (up && card.up === false) back.push(name);
    card.up = up;
    card.backAt = backInMs === undefined ? undefined : Date.now() + backInMs;
    card.facts = up ? `process ${pid} · ${count(conversations)}` : "its memory is gone";
  }
  showAnswering(by);
  return back;
}

/** @param {string} name */
export function isAway(name) {
  return cards.get(name)?.up === false;
}

/** @param {string} what just happened, and why */
export function explain(what) {
  const caption = document.getElementById("caption");
  if (caption && caption.textContent !== what) caption.textContent = what;
}

/** Counts down while a server is stopped. */
export function keepCounting() {
  setInterval(render, 250);
}

function render() {
  for (const [name, card] of cards) {
    const [state, words] = stateOf(name, card);
    const { element } = card;
    if (element.dataset.state === "away" || element.dataset.state === "returning") {
      element.classList.toggle("returned", state === "ready" || state === "answering");
    }
    if (element.dataset.state !== state) element.dataset.state = state;
    put(element, ".state", words);
    put(element, ".facts", card.facts);
  }
}

/**
 * @param {string} name
 * @param {Card} card
 * @returns {[state: string, words: string]}
 */
function stateOf(name, { up, backAt }) {
  if (up === undefined) return ["unknown", "…"];
  if (up) return name === answering ? ["answering", "answers you"] : ["ready", "ready"];
  if (backAt === undefined) return ["away", "stopped"];
  const seconds = Math.ceil((backAt - Date.now()) / 1000);
  return seconds > 0
    ? ["away", `stopped, back in ${seconds}\u00a0s`]
    : ["returning", "coming back …"];
}

/**
 * @param {HTMLElement} element
 * @param {string} part
 * @param {string} words
 */
function put(element, part, words) {
  const place = element.querySelector(part);
  if (place && place.textContent !== words) place.textContent = words;
}

/** @param {number} conversations */
function count(conversations) {
  return conversations === 1 ? "1 conversation" : `${conversations} conversations`;
}
