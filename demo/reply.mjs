/** Creates the demo's replies, without a language model: they show streaming and the server's name. */

const THOUGHTS = [
  "A stranger is a guest until there is something worth keeping.",
  "I keep everything in memory, which is to say until I am stopped.",
  "The door remembers you even when I do not.",
  "Ask me again after you have stopped me; my sibling will know what we said.",
];

/**
 * @param {string} text
 * @param {{ name: string, turn: number }} context
 */
export function reply(text, { name, turn }) {
  const words = text.trim().split(/\s+/).length;
  const thought = THOUGHTS[turn % THOUGHTS.length];
  const length = words === 1 ? "one word" : `${words} words`;
  return `This is ${name}. You sent ${length}, and it is message ${turn} of our conversation. ${thought}`;
}
