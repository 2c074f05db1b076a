/** Keeps conversations in this process's memory, and passes part of each to Vestibule. */

/** Number of turns stored in the session, and characters of each: session data should be small. */
const TURNS_KEPT = 6;
const CHARACTERS_KEPT = 200;

/** @typedef {{ who: "you" | "server", text: string }} Turn */

export class Conversations {
  /** @type {Map<string, { turns: Turn[], count: number, ids: Set<string> }>} */
  #open = new Map();

  /**
   * Returns a session's conversation; restores it from the session's data if this process has none.
   * @param {string} room
   * @param {Record<string, unknown>} data
   * @returns {{ turns: Turn[], restored: number }}
   */
  open(room, data) {
    const known = this.#open.get(room);
    if (known) return { turns: known.turns, restored: 0 };
    const turns = Array.isArray(data.turns) ? data.turns.filter(isTurn) : [];
    const count = typeof data.count === "number" ? data.count : 0;
    this.#open.set(room, { turns: [...turns], count, ids: new Set() });
    return { turns, restored: turns.length };
  }

  /** Returns the number of conversations in this process. */
  get size() {
    return this.#open.size;
  }

  /**
   * Returns the number of messages in it.
   * @param {string} room
   */
  count(room) {
    return this.#open.get(room)?.count ?? 0;
  }

  /**
   * Adds a message and its reply, unless this message was added before and is sent again.
   * @param {string} room
   * @param {string} id
   * @param {string} text
   * @param {string} answer
   */
  add(room, id, text, answer) {
    const conversation = this.#open.get(room);
    if (!conversation || conversation.ids.has(id)) return false;
    conversation.ids.add(id);
    conversation.count += 1;
    conversation.turns.push({ who: "you", text: cut(text) }, { who: "server", text: cut(answer) });
    conversation.turns = conversation.turns.slice(-TURNS_KEPT);
    return true;
  }

  /**
   * Returns the merge patch that restores this conversation in the next process: one line of ASCII.
   * @param {string} room
   */
  patch(room) {
    const { turns = [], count = 0 } = this.#open.get(room) ?? {};
    const escaped = (/** @type {string} */ c) =>
      `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return JSON.stringify({ turns, count }).replace(/[^\x20-\x7e]/g, escaped);
  }
}

/**
 * @param {any} turn
 * @returns {turn is Turn}
 */
function isTurn(turn) {
  return (turn?.who === "you" || turn?.who === "server") && typeof turn.text === "string";
}

/** @param {string} text */
function cut(text) {
  return text.length > CHARACTERS_KEPT ? `${text.slice(0, CHARACTERS_KEPT - 1)}…` : text;
}
