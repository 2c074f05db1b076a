/**
 * Runs a real OpenTelemetry collector: Rotel, a program on PyPI. It shares no code with the project,
 * so it reads exports as other collectors do. It prints every span that it accepts.
 */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { Fault, step } from "../../scripts/progress.mjs";
import { output, run } from "../../scripts/run.mjs";
import { freePort } from "./ports.mjs";
import { Program } from "./program.mjs";
import { until } from "./until.mjs";
import { commandOf, ensureVenv } from "./venv.mjs";

const APPLICATION = {
  name: "rotel",
  title: "Rotel",
  requirements: path.resolve(import.meta.dirname, "../otlp/requirements.txt"),
};

/** @typedef {{ traceId: string, spanId: string, parentSpanId: string, name: string, kind: string }} Seen */

/**
 * Installs the collector once.
 * @returns {Promise<string | false>} the reason if it cannot be installed
 */
export async function collectorMissing() {
  try {
    await ensureVenv(APPLICATION);
    if (output(agent(), ["--version"]) === null) await ensureLibrary();
    return output(agent(), ["--version"]) === null && "Rotel does not start on this machine";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return `Rotel cannot be had: ${error.message}`;
  }
}

/** Returns the program's path in its package. */
function agent() {
  const library = path.resolve(commandOf(APPLICATION), "../../lib");
  const places = existsSync(library) ? readdirSync(library) : [];
  const place = places.find((name) => name.startsWith("python")) ?? "";
  return path.join(library, place, "site-packages/rotel/rotel-agent");
}

/** Provides the shared library of Python that the program links. */
async function ensureLibrary() {
  const version = /python3\.\d+/.exec(agent())?.[0];
  if (process.getuid?.() !== 0 || output("apt-get", ["--version"]) === null) {
    throw new Fault(`it needs lib${version}; install that.`);
  }
  await step(`Installing lib${version} for the collector`, "10 s", async () => {
    await run("apt-get", ["update", "-qq"]);
    await run("apt-get", ["install", "-y", "-qq", `lib${version}`], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  });
}

export class Collector {
  #program;
  #port;

  /**
   * @param {Program} program
   * @param {number} port
   */
  constructor(program, port) {
    this.#program = program;
    this.#port = port;
  }

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    const port = await freePort();
    const program = new Program(t, agent(), [
      "start",
      ...["--otlp-http-endpoint", `127.0.0.1:${port}`],
      ...["--otlp-grpc-endpoint", `127.0.0.1:${await freePort()}`],
      ...["--debug-log", "traces", "--debug-log-verbosity", "detailed"],
      ...["--exporter", "blackhole"],
    ]);
    const collector = new Collector(program, port);
    await until(
      () => {
        program.checkRunning();
        return fetch(collector.url).then(
          () => true,
          () => false,
        );
      },
      { what: "the collector answering" },
    );
    return collector;
  }

  /** Returns the value for `OTLP_ENDPOINT`. */
  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Returns its whole output. */
  get printed() {
    return this.#program.printed;
  }

  /** @returns {Seen[]} */
  get spans() {
    const line = (/** @type {string} */ name, /** @type {string} */ text) =>
      new RegExp(`^ +${name} +: (.*)$`, "m").exec(text)?.[1] ?? "";
    return this.printed
      .split(/^Span #\d+$/m)
      .slice(1)
      .map((text) => ({
        traceId: line("Trace ID", text),
        spanId: line("ID", text),
        parentSpanId: line("Parent ID", text),
        name: line("Name", text),
        kind: line("Kind", text).replace("SPAN_KIND_", ""),
      }));
  }
}
