/** Reads the command line and the settings of `npm run serve`. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs, parseEnv } from "node:util";
import { nearest } from "../scripts/nearest.mjs";
import { Failure } from "./exit.mjs";
import { networkOf } from "./worker/proxies.js";

export const USAGE = `Usage: npm run serve -- [options]
  --origin [NAME=]URL     your chat server; can be repeated
  --port NUMBER           port to serve, 8787 by default
  --host ADDRESS          address to serve, 127.0.0.1 by default; 0.0.0.0 for all of IPv4
  --data FOLDER           folder for sessions, .vestibule by default
  --env-file FILE         settings, as NAME=value lines; can be repeated
  --var NAME:VALUE        a setting; can be repeated
  --trust-proxy LIST      addresses and networks of proxies in front, 127.0.0.0/8,::1 by default
  --grace SECONDS         time for open requests after SIGTERM, 30 by default
  --namespace NAME        one more KV namespace, such as TENANTS or USERS; can be repeated
  --kv URL                redis:// or rediss:// URL of sessions for several machines
  --objects URL|none      machine with the Durable Objects; none for CONSISTENCY=eventual
  --objects-listen HOST:PORT  where other machines call the Durable Objects of this one
  --take-objects          begins with new Durable Objects, after their folder was lost
  --help                  shows this

Settings are those of docs/reference/settings.md. Later ones win: files, VESTIBULE_NAME in the
environment, --var and --origin. Settings of this command alone are KV_URL, OBJECTS_URL,
OBJECTS_LISTEN, OBJECTS_TOKEN, TRUST_PROXY and STOP_GRACE. More: docs/operate/self-host.md`;

const OPTIONS = /** @type {const} */ ({
  origin: { type: "string", multiple: true },
  port: { type: "string", default: "8787" },
  host: { type: "string", default: "127.0.0.1" },
  data: { type: "string", default: ".vestibule" },
  "env-file": { type: "string", multiple: true },
  var: { type: "string", multiple: true },
  "trust-proxy": { type: "string" },
  grace: { type: "string" },
  namespace: { type: "string", multiple: true },
  kv: { type: "string" },
  objects: { type: "string" },
  "objects-listen": { type: "string" },
  "take-objects": { type: "boolean", default: false },
  help: { type: "boolean", default: false },
});

/** Proxies that are trusted unless others are named: those on this machine. */
const LOOPBACK = "127.0.0.0/8,::1";

/** Prefix of settings in the environment. */
const PREFIX = "VESTIBULE_";

/** Form of a setting's name; a tenant's begins with the tenant's id, which may begin with a digit. */
const NAME = /^[A-Z0-9][A-Z0-9_]*$/;

/** Maximum time for open requests, in seconds. */
const MAX_GRACE = 3_600;

/**
 * @typedef {object} Options
 * @property {string} host
 * @property {number} port
 * @property {string} data absolute path
 * @property {Record<string, string>} settings of the Worker
 * @property {string} proxies
 * @property {number} graceMs
 * @property {string[]} namespaces
 * @property {string | undefined} kv
 * @property {string | undefined} objects URL of the machine that has them, or `none`
 * @property {{ host: string, port: number } | undefined} objectsAddress where other machines call the objects
 * @property {string | undefined} objectsToken
 * @property {boolean} takesObjects
 */

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Options | null} null if the usage was asked for
 */
export function readOptions(args, env) {
  const values = parsed(args);
  if (values.help) return null;
  const { origin = [], namespace = [] } = values;
  const all = {
    ...settingsOfFiles(values["env-file"] ?? []),
    ...settingsOfEnvironment(env),
    ...Object.fromEntries((values.var ?? []).map(settingOf)),
    ...(origin.length > 0 && { ORIGINS: origin.join(",") }),
  };
  const { KV_URL, OBJECTS_URL, OBJECTS_LISTEN, OBJECTS_TOKEN, ...others } = all;
  const { TRUST_PROXY, STOP_GRACE, ...settings } = others;
  /** @type {Options} */
  const options = {
    host: values.host,
    port: numberOf("--port", values.port, 65_535),
    data: path.resolve(values.data),
    settings,
    proxies: proxiesOf(values["trust-proxy"] ?? TRUST_PROXY ?? LOOPBACK),
    graceMs: numberOf("--grace", values.grace ?? STOP_GRACE ?? "30", MAX_GRACE) * 1000,
    namespaces: ["SESSIONS", ...namespace.map(namespaceOf)],
    kv: kvOf(values.kv ?? KV_URL),
    objects: objectsOf(values.objects ?? OBJECTS_URL),
    objectsAddress: addressOf(values["objects-listen"] ?? OBJECTS_LISTEN),
    objectsToken: OBJECTS_TOKEN,
    takesObjects: values["take-objects"],
  };
  mustAgree(options);
  return options;
}

/** @param {string[]} args */
function parsed(args) {
  const known = Object.keys(OPTIONS).map((name) => `--${name}`);
  for (const word of args) {
    const [flag] = word.split("=");
    if (!flag.startsWith("--") || flag === "--" || known.includes(flag)) continue;
    throw new Failure(
      "usage",
      `There is no option ${flag}. Did you mean ${nearest(flag, known)}?\n\n${USAGE}`,
    );
  }
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new Failure("usage", `${/** @type {Error} */ (error).message}\n\n${USAGE}`);
  }
}

/** @param {string[]} files */
function settingsOfFiles(files) {
  return Object.assign({}, ...files.map(settingsOfFile));
}

/** @param {string} file */
function settingsOfFile(file) {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Failure("configuration", `--env-file: ${/** @type {Error} */ (error).message}`);
  }
  const settings = parseEnv(text);
  for (const name of Object.keys(settings)) {
    if (!NAME.test(name))
      throw new Failure(
        "configuration",
        `${file}: ${name} is no setting; use capitals, digits and _.`,
      );
  }
  return settings;
}

/** @param {NodeJS.ProcessEnv} env */
function settingsOfEnvironment(env) {
  const named = Object.entries(env).filter(([name]) => name.startsWith(PREFIX));
  return Object.fromEntries(named.map(([name, value]) => [name.slice(PREFIX.length), value ?? ""]));
}

/** @param {string} text as `NAME:value`, which wrangler takes, too */
function settingOf(text) {
  const at = text.indexOf(":");
  const name = text.slice(0, Math.max(0, at));
  // The message does not repeat the setting, which may be a secret.
  if (!NAME.test(name))
    throw new Failure("usage", "--var takes NAME:VALUE, such as LOG_LEVEL:warn.");
  return [name, text.slice(at + 1)];
}

/** @param {string} option @param {string} text @param {number} largest */
function numberOf(option, text, largest) {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > largest)
    throw new Failure("usage", `${option} takes a number from 1 to ${largest}, not "${text}".`);
  return number;
}

/** @param {string} list */
function proxiesOf(list) {
  try {
    for (const one of list.split(",").filter(Boolean)) networkOf(one);
  } catch (error) {
    throw new Failure("usage", `--trust-proxy: ${/** @type {Error} */ (error).message}.`);
  }
  return list;
}

/** @param {string} name */
function namespaceOf(name) {
  if (["TENANTS", "USERS"].includes(name) || /^[A-Z0-9_]+__SESSIONS$/.test(name)) return name;
  throw new Failure(
    "usage",
    `--namespace takes TENANTS, USERS or <ID>__SESSIONS of a tenant, not "${name}".`,
  );
}

/** @param {string | undefined} url */
function kvOf(url) {
  // The message does not repeat the URL, which may have a password.
  if (url !== undefined && !(/^rediss?:\/\//.test(url) && URL.canParse(url)))
    throw new Failure("usage", "--kv takes a URL such as redis://10.0.0.5:6379/0.");
  return url;
}

/** @param {string | undefined} text */
function objectsOf(text) {
  if (text === undefined || text === "none") return text;
  if (!/^https?:\/\/[^/]+\/?$/.test(text) || !URL.canParse(text))
    throw new Failure("usage", `--objects takes a URL such as http://10.0.0.4:8788, or none.`);
  return text;
}

/** @param {string | undefined} text */
function addressOf(text) {
  if (text === undefined) return undefined;
  const [, host, port] = text.match(/^(.+):(\d+)$/) ?? [];
  if (host === undefined)
    throw new Failure("usage", `--objects-listen takes HOST:PORT, not "${text}".`);
  const address = host.replace(/^\[(.*)\]$/, "$1");
  return { host: address, port: numberOf("--objects-listen", port, 65_535) };
}

/** Refuses options that contradict each other. @param {Options} options */
function mustAgree({ kv, objects, objectsAddress, objectsToken, settings }) {
  const isRemote = objects !== undefined && objects !== "none";
  if (objects !== undefined && objectsAddress !== undefined)
    throw new Failure(
      "usage",
      "Only the machine with the objects takes --objects-listen: remove --objects.",
    );
  if ((objects !== undefined || objectsAddress !== undefined) && kv === undefined)
    throw new Failure("usage", "Several machines need one store for all: add --kv.");
  if ((isRemote || objectsAddress !== undefined) && (objectsToken ?? "").length < 16) {
    throw new Failure(
      "configuration",
      "Machines need the same OBJECTS_TOKEN to call each other's objects: a setting of at least 16 characters. Make one with: openssl rand -hex 32",
    );
  }
  if (objects === "none" && settings.CONSISTENCY !== "eventual") {
    throw new Failure(
      "configuration",
      "--objects none needs CONSISTENCY=eventual: without Durable Objects no change of a session is ordered.",
    );
  }
  if (kv !== undefined && (settings.SESSION_KEYS ?? "") === "") {
    throw new Failure(
      "configuration",
      "All machines need the same SESSION_KEYS. Make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '='",
    );
  }
}
