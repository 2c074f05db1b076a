/** Installs the real Chainlit. */
import path from "node:path";
import { commandOf, ensureVenv } from "../harness/venv.mjs";

const APPLICATION = {
  name: "chainlit",
  title: "Chainlit",
  requirements: path.join(import.meta.dirname, "requirements.txt"),
};

/** The command that starts Chainlit. */
export const CHAINLIT = commandOf(APPLICATION);

export function ensureChainlit() {
  return ensureVenv(APPLICATION);
}
