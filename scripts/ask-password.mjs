/** Reads passwords and other secrets from the terminal, without showing them, or from standard input. */
import { Fault } from "./progress.mjs";

/** @returns {Promise<string>} */
export function askPassword() {
  return process.stdin.isTTY ? typed() : piped();
}

/**
 * Asks for a secret on the terminal.
 * @param {string} what
 * @param {string} variable that may contain it in place of an answer
 * @returns {Promise<string>}
 */
export async function askSecret(what, variable) {
  if (!process.stdin.isTTY) throw new Fault(`Set ${variable} in the environment: ${what}.`);
  return hidden(what);
}

/** Asks for the password twice. */
async function typed() {
  const password = await hidden("Password");
  if ((await hidden("Repeat the password")) !== password)
    throw new Fault("The two passwords differ. Nothing was changed; try again.");
  return password;
}

/** @param {string} message @returns {Promise<string>} */
async function hidden(message) {
  // It may have been installed by this very run.
  const { isCancel, password } = await import("@clack/prompts");
  // Standard output is for results.
  const answer = await password({ message, output: process.stderr });
  if (isCancel(answer) || !answer)
    throw new Fault(`${message}: nothing was entered, and nothing changed.`);
  return answer;
}

/** Reads the whole input, without its final line break. */
async function piped() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks));
    return text.replace(/\r?\n$/, "");
  } catch {
    throw new Fault("The password is not valid UTF-8. Nothing was changed.");
  }
}
