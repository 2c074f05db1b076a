/** The application of docs/guide/several-processes.md: FastAPI with a mounted Chainlit that names its process. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Visitor } from "../chainlit/visitor.mjs";
import { Checkout } from "../harness/checkout.mjs";
import { blocksOf } from "../harness/pages.mjs";
import { until } from "../harness/until.mjs";
import { PYTHON } from "./venv.mjs";

export const PAGE = "docs/guide/several-processes.md";

/** Starting Python and importing Chainlit takes seconds, more with all cores busy. */
const PATIENCE_MS = 90_000;

/** Returns the page's one block of a language. @param {string} language */
export function blockIn(language) {
  return blocksOf(PAGE).find((block) => block.language === language)?.text ?? "";
}

/**
 * Makes a folder `app` in a checkout. Its conversations count their messages in memory.
 * @param {import("node:test").TestContext} t
 * @param {Record<string, string>} [env]
 */
export function mounted(t, env = {}) {
  const checkout = Checkout.make(t, {
    // No other Python than that with the kit.
    PATH: `${path.dirname(PYTHON)}:/usr/bin:/bin`,
    CHAINLIT_AUTH_SECRET: "the-same-secret-in-every-process",
    HEADER_LOG: "/dev/null",
    ...env,
  });
  const chat = readFileSync("tests/chainlit/app.py", "utf8");
  checkout.write("app/main.py", blockIn("python"));
  checkout.write("app/chat.py", chat.replace('os.environ["PROCESS_NAME"]', "str(os.getpid())"));
  return checkout;
}

/** Returns a new visitor of it. @param {{ url: string }} site */
export function visitorOf({ url }) {
  return new Visitor(url, { within: 30_000, attempts: 5 }, {}, "/chat");
}

/**
 * Waits until the processes at these ports answer.
 * @param {number[]} ports
 * @param {{ printed: string }[]} commands that started them
 */
export async function answeringAt(ports, ...commands) {
  for (const port of ports) {
    const url = `http://127.0.0.1:${port}/chat/auth/config`;
    const answers = () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(answers, { within: PATIENCE_MS, what: url }).catch((error) => {
      throw new Error(`${error.message}:\n${commands.map(({ printed }) => printed).join("\n")}`);
    });
  }
}
