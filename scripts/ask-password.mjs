/** Reads a new password from the terminal or standard input; never from the command line. */
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { Fault } from "./progress.mjs";

/** @returns {Promise<string>} */
export function askPassword() {
  return process.stdin.isTTY ? typed() : piped();
}

/** Asks for the password twice, without showing it. */
async function typed() {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // A readline on a terminal echoes the input by itself; this output discards it.
  const lines = createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: true,
    historySize: 0,
  });
  // Without this, Ctrl-C would only end the line.
  lines.on("SIGINT", () => lines.close());
  const answers = lines[Symbol.asyncIterator]();
  const ask = async (/** @type {string} */ question) => {
    process.stderr.write(question);
    const { done, value } = await answers.next();
    process.stderr.write("\n");
    if (done) throw new Fault("No password was entered. Nothing was changed.");
    return value;
  };
  try {
    const password = await ask("Password: ");
    if ((await ask("Repeat the password: ")) !== password)
      throw new Fault("The two passwords differ. Nothing was changed; try again.");
    return password;
  } finally {
    lines.close();
  }
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
