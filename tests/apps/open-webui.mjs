/** Runs a real Open WebUI, which is installed only on demand: it takes 7 GB. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Origin } from "../harness/origin.mjs";
import { freePort } from "../harness/ports.mjs";
import { commandOf, ensureVenv } from "../harness/venv.mjs";
import { startApp } from "./python-app.mjs";

const APPLICATION = {
  name: "open-webui",
  title: "Open WebUI",
  requirements: path.join(import.meta.dirname, "open-webui.txt"),
  pythons: ["python3.12", "python3.11"],
  needs: "3.11 or 3.12",
  takes: "15 min",
};

/** It imports a gigabyte of libraries, and makes its database. */
const PATIENCE_MS = 600_000;

/** Why its tests are skipped; `false` if they are wanted. */
export const SKIPPED =
  process.env.OPEN_WEBUI !== "1" && "installs 7 GB: OPEN_WEBUI=1 npm test -- open-webui";

const PAGE = readFileSync(
  path.resolve(import.meta.dirname, "../../docs/guide/open-webui.md"),
  "utf8",
);

/** Headers that it trusts, as the page sets them for Vestibule. */
export const HEADERS = JSON.parse(/'HEADERS:(\{.+\})'/.exec(PAGE)?.[1] ?? "");

/** Variables of Open WebUI, as the page sets them. */
const VARIABLES = Object.fromEntries(
  Array.from(PAGE.matchAll(/^([A-Z_]+)=(\S+) \\$/gm), ([, name, value]) => [name, value]),
);

export async function ensureOpenWebUi() {
  if (SKIPPED === false) await ensureVenv(APPLICATION);
}

/**
 * Starts a model that repeats what it is told, with OpenAI's API.
 * @param {import("./python-app.mjs").Test} t
 */
async function startModel(t) {
  return Origin.start(t, (request, reply, body) => {
    if (request.method !== "POST") {
      reply.setHeader("content-type", "application/json");
      return void reply.end(JSON.stringify({ data: [{ id: "parrot", object: "model" }] }));
    }
    const { messages, stream } = JSON.parse(body);
    const text = `You said ${messages.at(-1).content}`;
    const choice = (/** @type {object} */ more) => ({
      id: "1",
      model: "parrot",
      choices: [{ index: 0, finish_reason: null, ...more }],
    });
    if (!stream) {
      const message = { role: "assistant", content: text };
      reply.setHeader("content-type", "application/json");
      return void reply.end(JSON.stringify(choice({ message, finish_reason: "stop" })));
    }
    reply.setHeader("content-type", "text/event-stream");
    for (const word of text.split(/(?= )/)) {
      reply.write(`data: ${JSON.stringify(choice({ delta: { content: word } }))}\n\n`);
    }
    reply.write(`data: ${JSON.stringify(choice({ delta: {}, finish_reason: "stop" }))}\n\n`);
    reply.end("data: [DONE]\n\n");
  });
}

/**
 * Starts Open WebUI with an empty database.
 * @param {import("./python-app.mjs").Test} t
 * @returns {Promise<string>} its address
 */
export async function startOpenWebUi(t) {
  await ensureOpenWebUi();
  const model = await startModel(t);
  const folder = mkdtempSync(path.join(tmpdir(), "open-webui-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  await startApp(t, {
    title: "Open WebUI",
    command: commandOf(APPLICATION),
    args: ["serve", "--host", "127.0.0.1", "--port", String(port)],
    env: {
      DATA_DIR: folder,
      WEBUI_SECRET_KEY: "a secret of this test",
      ...VARIABLES,
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      OPENAI_API_BASE_URL: `${model.url}/v1`,
      OPENAI_API_KEY: "none",
      ENABLE_OLLAMA_API: "false",
      // Without a network.
      OFFLINE_MODE: "true",
      HF_HUB_OFFLINE: "1",
      ANONYMIZED_TELEMETRY: "false",
    },
    health: `${url}/health`,
    patience: PATIENCE_MS,
  });
  t.after(async () => rmSync(folder, { recursive: true, force: true }));
  return url;
}
