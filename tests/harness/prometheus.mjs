/** Runs a real Prometheus and its promtool. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { findPrometheus, MISSING } from "../../scripts/prometheus.mjs";
import { freePort } from "./ports.mjs";
import { Program } from "./program.mjs";
import { until } from "./until.mjs";

const PROGRAMS = findPrometheus();

/** The reason for skipping tests that need them, or false. */
export const prometheusMissing = !PROGRAMS && MISSING;

/**
 * Runs promtool to its end.
 * @param {string[]} args
 * @param {{ input?: string, cwd?: string }} [options]
 * @returns {Promise<{ code: number, output: string }>} its output and errors
 */
export function promtool(args, { input = "", cwd } = {}) {
  return new Promise((resolve) => {
    const child = execFile(programs().promtool, args, { cwd }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: `${stdout}${stderr}`.trim() });
    });
    child.stdin?.end(input);
  });
}

/**
 * The target that it scrapes each second.
 * @typedef {object} Scraped
 * @property {number} port on loopback
 * @property {string} path
 * @property {string} token
 */

/** @typedef {{ metric: Record<string, string>, value: number }} Sample */

export class Prometheus {
  #url = "";

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {{ scrape?: Scraped, rules?: string }} [options] `rules` is a file
   */
  static async start(t, options = {}) {
    const prometheus = new Prometheus();
    const folder = mkdtempSync(path.join(tmpdir(), "prometheus-"));
    t.after(async () => rmSync(folder, { recursive: true, force: true }));
    const port = await freePort();
    prometheus.#url = `http://127.0.0.1:${port}`;
    const config = path.join(folder, "prometheus.yml");
    writeFileSync(config, configuration(options));
    const program = new Program(t, programs().prometheus, [
      `--config.file=${config}`,
      `--storage.tsdb.path=${path.join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]);
    await until(
      async () => {
        program.checkRunning();
        return fetch(`${prometheus.#url}/-/ready`).then(
          ({ ok }) => ok,
          () => false,
        );
      },
      { what: "Prometheus being ready" },
    );
    return prometheus;
  }

  /**
   * Runs a PromQL query.
   * @param {string} query
   * @returns {Promise<Sample[]>}
   */
  async query(query) {
    const { resultType, result } = await this.get(`query?${new URLSearchParams({ query })}`);
    if (resultType === "scalar") return [{ metric: {}, value: Number(result[1]) }];
    return result.map((/** @type {any} */ { metric, value }) => ({
      metric,
      value: Number(value[1]),
    }));
  }

  /**
   * Returns the one value of a PromQL query; nothing if there is none yet.
   * @param {string} query
   */
  async value(query) {
    const samples = await this.query(query);
    if (samples.length > 1) throw new Error(`${query} has ${samples.length} values, not one`);
    return samples[0]?.value;
  }

  /**
   * Calls its API; throws if it reports an error.
   * @param {string} call
   */
  async get(call) {
    const answer = await (await fetch(`${this.#url}/api/v1/${call}`)).json();
    if (answer.status !== "success")
      throw new Error(`${decodeURIComponent(call)}: ${answer.error}`);
    return answer.data;
  }
}

/** @param {{ scrape?: Scraped, rules?: string }} options */
function configuration({ scrape, rules }) {
  // YAML includes JSON.
  return JSON.stringify({
    rule_files: rules ? [rules] : [],
    scrape_configs: scrape && [
      {
        job_name: "vestibule",
        scrape_interval: "2s",
        scrape_timeout: "2s",
        metrics_path: scrape.path,
        authorization: { type: "Bearer", credentials: scrape.token },
        static_configs: [{ targets: [`127.0.0.1:${scrape.port}`] }],
      },
    ],
  });
}

function programs() {
  if (!PROGRAMS) throw new Error(MISSING);
  return PROGRAMS;
}
