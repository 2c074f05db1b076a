/** Runs a real rsyslog with the configuration in docs/operate/observability, before a receiver in place of Elasticsearch. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { findRsyslog, MISSING } from "../../scripts/rsyslog.mjs";
import { OBSERVABILITY } from "./dashboard.mjs";
import { freePort } from "./ports.mjs";
import { Program } from "./program.mjs";

const RSYSLOG = findRsyslog();

/** Reason for skipping the test, if it is skipped. */
export const rsyslogMissing = !RSYSLOG && MISSING;

/** Paths of the configuration, and those of a test. */
const PLACES = {
  "/var/spool/rsyslog": "spool",
  "/var/log/vestibule/*.log": "logs/*.log",
};

export class Rsyslog {
  /** Documents received, each with its index. @type {{ index: string, document: any }[]} */
  received = [];
  /** @type {Program | undefined} */
  program;
  #folder = mkdtempSync(path.join(tmpdir(), "rsyslog-"));

  /** @param {{ after: (fn: () => Promise<void>) => void }} t */
  static async start(t) {
    if (!RSYSLOG) throw new Error(MISSING);
    const rsyslog = new Rsyslog();
    const folder = rsyslog.#folder;
    t.after(async () => rmSync(folder, { recursive: true, force: true }));
    for (const name of ["spool", "logs"]) mkdirSync(path.join(folder, name));
    const port = await rsyslog.#listen(t);
    let configuration = readFileSync(path.join(OBSERVABILITY, "rsyslog.conf"), "utf8");
    const changes = Object.entries(PLACES).map(([said, own]) => [said, path.join(folder, own)]);
    for (const [said, own] of [...changes, ['serverport="9200"', `serverport="${port}"`]]) {
      if (!configuration.includes(said)) throw new Error(`rsyslog.conf has no ${said}`);
      configuration = configuration.replace(said, own);
    }
    const file = path.join(folder, "rsyslog.conf");
    writeFileSync(file, configuration);
    rsyslog.program = new Program(t, "env", [
      `LD_LIBRARY_PATH=${RSYSLOG.libraries}`,
      RSYSLOG.program,
      ...["-n", "-f", file, "-i", path.join(folder, "pid"), "-M", RSYSLOG.modules],
    ]);
    return rsyslog;
  }

  /** Writes the lines that it reads. @param {string} text */
  read(text) {
    writeFileSync(path.join(this.#folder, "logs/vestibule.log"), text);
  }

  /** @param {{ after: (fn: () => Promise<void>) => void }} t @returns {Promise<number>} the port */
  async #listen(t) {
    const port = await freePort();
    const server = createServer((request, reply) => {
      let body = "";
      request.setEncoding("utf8").on("data", (chunk) => {
        body += chunk;
      });
      request.on("end", () => {
        if (request.url?.startsWith("/_bulk")) this.#take(body);
        reply.setHeader("content-type", "application/json");
        reply.end('{"took":1,"errors":false,"items":[]}');
      });
    });
    await new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(undefined)));
    t.after(async () => {
      server.closeAllConnections();
      server.close();
    });
    return port;
  }

  /** @param {string} body pairs of lines: the action, and the document */
  #take(body) {
    const lines = body.split("\n").filter((line) => line.trim() !== "");
    for (let at = 0; at + 1 < lines.length; at += 2) {
      const { index } = JSON.parse(lines[at]);
      this.received.push({ index: index._index, document: JSON.parse(lines[at + 1]) });
    }
  }
}
