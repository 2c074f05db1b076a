/** Runs conversations of many visitors with Chainlit at the same time. */
import assert from "node:assert/strict";

const AT_ONCE = 20;

/** @typedef {import("./visitor.mjs").Visitor} Visitor */

/**
 * @param {number} visitors
 * @param {(number: number) => Visitor} make
 * @returns {Promise<{ whole: string[], broken: string[] }>} the servers that answered, and the failures
 */
export async function conversations(visitors, make) {
  /** @type {string[]} */
  const whole = [];
  /** @type {string[]} */
  const broken = [];
  let next = 0;
  const worker = async () => {
    while (next < visitors) {
      const number = next++;
      await conversation(make(number), number).then(
        (name) => whole.push(name),
        (error) => broken.push(String(error.message)),
      );
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { whole, broken };
}

/**
 * Runs a whole conversation: open, sign in, connect, chat, lose the connection, reconnect, chat again.
 * @param {Visitor} visitor
 * @param {number} number
 */
async function conversation(visitor, number) {
  try {
    await visitor.signIn();
    await visitor.connect();
    const first = await visitor.sendMessage(`hello-${number}`);
    await visitor.reconnect();
    const second = await visitor.sendMessage(`again-${number}`);
    const [name] = first.split(" ");
    assert.equal(first, `${name} heard message 1: hello-${number}`);
    assert.equal(second, `${name} heard message 2: again-${number}`, "same process, same memory");
    return name;
  } finally {
    visitor.leave();
  }
}
