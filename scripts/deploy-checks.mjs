/** Decides whether a deployment can work, from its configuration and the names of its secrets. */

/**
 * The part of wrangler's configuration that matters here.
 * @typedef {object} Deployment
 * @property {Record<string, unknown>} vars
 * @property {{ binding: string, id?: string }[]} kv_namespaces
 * @property {{ binding: string }[]} d1_databases
 */

/** Bindings and variables with which tenant documents list the origins. */
const DOCUMENTS = ["TENANTS", "TENANTS_DB", "TENANTS_URL"];

/** Hosts that Cloudflare cannot reach: loopback and private networks. */
const UNREACHABLE = [
  /^localhost$|\.localhost$|\.local$|\.internal$/,
  /^(?:0|10|127)\.|^192\.168\.|^169\.254\.|^172\.(?:1[6-9]|2\d|3[01])\./,
  /^\[(?:::1?|f[cd].*|fe80.*)\]$/,
];

/**
 * Returns what is wrong with the configuration, each with the cure.
 * @param {Deployment} config
 * @param {string[]} secrets names
 * @returns {string[]}
 */
export function configurationFaults(config, secrets) {
  return [...placeholderFaults(config), ...originFaults(config, secrets)];
}

/**
 * Returns which secrets are missing, and what is missing for them, each with the cure.
 * @param {Deployment} config
 * @param {string[]} secrets names
 * @param {{ env?: string, withoutConsole?: boolean }} options
 * @returns {string[]}
 */
export function secretFaults({ vars }, secrets, { env, withoutConsole = false }) {
  const faults = [];
  const isSet = (/** @type {string} */ name) => secrets.includes(name) || Boolean(vars[name]);
  if (!isSet("SESSION_KEYS")) {
    const put = `npx wrangler secret put SESSION_KEYS${env ? ` --env ${env}` : ""}`;
    faults.push(
      `the secret SESSION_KEYS, which signs cookies and seals sessions. Make it with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '=' | ${put}`,
    );
  }
  const hasToken = [...secrets, ...Object.keys(vars)].some((name) =>
    /^(?:[A-Z0-9_]+__)?ADMIN_TOKEN$/.test(name),
  );
  if (hasToken && !isSet("CONSOLE_HOST") && !withoutConsole) {
    faults.push(
      "a host for the console, which ADMIN_TOKEN opens: CONSOLE_HOST in wrangler.toml, a host that no chat server has. If only programs use the token, deploy with --without-console",
    );
  }
  return faults;
}

/** @param {Deployment} config */
function placeholderFaults({ kv_namespaces: namespaces }) {
  return namespaces
    .filter(({ id }) => /^0+$/.test(id ?? ""))
    .map(
      ({ binding }) =>
        `the namespace ${binding}: its id in wrangler.toml is a placeholder. Remove that line, and the deployment creates the namespace`,
    );
}

/**
 * @param {Deployment} config
 * @param {string[]} secrets
 */
function originFaults({ vars, kv_namespaces, d1_databases }, secrets) {
  const bound = [...kv_namespaces, ...d1_databases].map(({ binding }) => binding);
  const named = [...bound, ...Object.keys(vars), ...secrets];
  if (DOCUMENTS.some((name) => named.includes(name)) || secrets.includes("ORIGINS")) return [];
  const list = String(vars.ORIGINS ?? "")
    .split(",")
    .map((one) => one.trim());
  const origins = list.filter(Boolean);
  if (origins.length === 0) return ["your chat servers: ORIGINS in wrangler.toml"];
  const unreachable = origins.filter((origin) => isUnreachable(hostOf(origin)));
  if (unreachable.length === 0) return [];
  return [
    `chat servers that Cloudflare can reach: ORIGINS in wrangler.toml names ${unreachable.join(" and ")}. Give your servers public names, for example by a Cloudflare Tunnel`,
  ];
}

/** Returns the host of an origin as in ORIGINS; empty for one that the Worker will refuse. @param {string} origin */
function hostOf(origin) {
  const [, url = ""] = origin.match(/^(?:[\w-]+=)?(https?:\/\/[^\s;]+)/) ?? [];
  return URL.canParse(url) ? new URL(url).hostname : "";
}

/** @param {string} host */
function isUnreachable(host) {
  return UNREACHABLE.some((pattern) => pattern.test(host));
}
