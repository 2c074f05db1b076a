/** Installs schemathesis, which sends what the description allows, and what it does not. */
import path from "node:path";
import { commandOf, ensureVenv } from "../harness/venv.mjs";

const APPLICATION = {
  name: "schemathesis",
  title: "schemathesis",
  requirements: path.join(import.meta.dirname, "requirements.txt"),
};

export const SCHEMATHESIS = commandOf(APPLICATION);

export function ensureSchemathesis() {
  return ensureVenv(APPLICATION);
}
