/** Runs Debian's WebKitGTK by its own driver, which serves W3C WebDriver: requests and responses in JSON. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { findWebKit } from "../../scripts/browsers.mjs";
import { Ends } from "../harness/ends.mjs";
import { freePort } from "../harness/ports.mjs";
import { until } from "../harness/until.mjs";

/** Member that holds the id of an element, from the standard. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** Time for an element on a busy machine, in milliseconds: that of the other browsers' drivers. */
const PATIENCE = 30_000;

/** Longest time for a command, such as loading a page, in milliseconds. */
const COMMAND_MS = 60_000;

/** Time for a process to end by itself, in milliseconds. */
const GRACE_MS = 5_000;

/** @typedef {import("./tab.mjs").Tab} Tab */

/** @implements {Tab} */
class WebKitTab {
  #driver;
  #session = "";

  /** @param {string} driver its URL */
  constructor(driver) {
    this.#driver = driver;
  }

  /** @param {string} binary the browser that it starts */
  async open(binary) {
    const options = { "webkitgtk:browserOptions": { binary, args: ["--automation"] } };
    const capabilities = { alwaysMatch: options };
    const { sessionId } = await this.#send("POST", "/session", { capabilities });
    this.#session = `/session/${sessionId}`;
  }

  /** Ends the browser. */
  close() {
    return this.#send("DELETE", this.#session);
  }

  /** @param {string} url */
  goto(url) {
    return this.#send("POST", `${this.#session}/url`, { url });
  }

  reload() {
    return this.#send("POST", `${this.#session}/refresh`, {});
  }

  /**
   * @param {string} xpath
   * @param {string} text
   */
  async fill(xpath, text) {
    const field = await this.#find(xpath);
    await this.#send("POST", `${field}/clear`, {});
    await this.#send("POST", `${field}/value`, { text });
  }

  /** @param {string} xpath */
  async click(xpath) {
    await this.#send("POST", `${await this.#find(xpath)}/click`, {});
  }

  /** @param {string} expression */
  evaluate(expression) {
    const script = { script: `return ${expression}`, args: [] };
    return this.#send("POST", `${this.#session}/execute/sync`, script);
  }

  cookies() {
    return this.#send("GET", `${this.#session}/cookie`);
  }

  /** Waits for an element. @param {string} xpath @returns {Promise<string>} its path */
  #find(xpath) {
    const find = () =>
      this.#send("POST", `${this.#session}/element`, { using: "xpath", value: xpath }).catch(
        () => undefined,
      );
    return until(
      async () => {
        const found = await find();
        return found && `${this.#session}/element/${found[ELEMENT]}`;
      },
      { within: PATIENCE, what: xpath },
    );
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<any>}
   */
  async #send(method, path, body) {
    const response = await fetch(`${this.#driver}${path}`, {
      method,
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(COMMAND_MS),
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }
}

/**
 * Starts a browser of its own for one tab: the driver has one session.
 * @param {{ after: (fn: () => Promise<void>) => void }} t
 * @returns {Promise<Tab>}
 */
export async function openWebKit(t) {
  const programs = findWebKit();
  if (!programs) throw new Error("WebKit is missing");
  const ends = new Ends();
  t.after(() => ends.run());
  const screen = ["-screen", "0", "1280x900x24", "-nolisten", "tcp"];
  const display = spawn(programs.display, ["-displayfd", "1", ...screen], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  ends.add(() => ended(display));
  const failed = once(display, "exit").then(([code]) => {
    throw new Error(`${programs.display} ended with ${code} before it had a display`);
  });
  failed.catch(() => {});
  const [number] = await Promise.race([once(createInterface(display.stdout), "line"), failed]);
  const port = await freePort();
  const driver = spawn(programs.driver, ["--host=127.0.0.1", `--port=${port}`], {
    stdio: "ignore",
    // In C.UTF-8 WebKit takes "C" for its language, and every format of numbers throws.
    env: { ...process.env, LC_ALL: "C", DISPLAY: `:${number}`, GDK_BACKEND: "x11" },
  });
  ends.add(() => ended(driver));
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/status`).catch(() => undefined), { what: "the driver" });
  const tab = new WebKitTab(url);
  await tab.open(programs.browser);
  ends.add(() => tab.close());
  return tab;
}

/** @param {import("node:child_process").ChildProcess} child */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
  await gone;
  clearTimeout(late);
}
