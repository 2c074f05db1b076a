/** The kit for Python, installed from this repository beside a real Chainlit and FastAPI. */
import path from "node:path";
import { commandOf, ensureVenv } from "../harness/venv.mjs";

/** The kit's folder. */
export const KIT = path.resolve(import.meta.dirname, "../../kits/python");

const APPLICATION = {
  name: "kit",
  title: "Chainlit and FastAPI with the kit",
  requirements: path.join(import.meta.dirname, "requirements.txt"),
  project: KIT,
};

export const PYTHON = commandOf(APPLICATION, "python");

export function ensureKit() {
  return ensureVenv(APPLICATION);
}
