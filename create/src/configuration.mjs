/** Writes a project's wrangler.toml from that of the release. */

const DOCUMENTATION = "https://github.com/vestibule/vestibule/blob/main/docs/reference/settings.md";

/**
 * @param {string} released wrangler.toml of the release
 * @param {import("./answers.mjs").Answers} answers
 */
export function configuration(released, answers) {
  const { name, origins, signIn } = answers;
  const accounts =
    signIn === "password" ? '\n# Accounts.\n[[kv_namespaces]]\nbinding = "USERS"\n' : "";
  const top = released
    .replace(
      /^#.*\n/,
      `# A Vestibule gateway on Cloudflare Workers. What each setting means:\n# ${DOCUMENTATION}\n`,
    )
    .replace(/^name = .*$/m, () => `name = ${quoted(name)}`)
    .replace(/^ORIGINS = .*$/m, () => `ORIGINS = ${quoted(origins)}`)
    .replace(/^LOGIN_MODE = .*$/m, () => login(answers))
    .replace(/(\[\[kv_namespaces\]\]\nbinding = "SESSIONS"\n)/, (found) => found + accounts);
  return `${top.trimEnd()}\n\n${staging(top)}`;
}

/** @param {import("./answers.mjs").Answers} answers */
function login({ signIn, issuer, clientId }) {
  if (signIn === "off") return 'LOGIN_MODE = "off"';
  const methods =
    signIn === "password"
      ? { password: true }
      : { oidc: [{ issuer, client_id: clientId, client_secret: "secret:OIDC_SECRET" }] };
  return `LOGIN_MODE = "required"\nLOGIN_METHODS = ${quoted(JSON.stringify(methods))}`;
}

/**
 * Repeats what an environment does not take over from the top: bindings and variables.
 * @param {string} top
 */
function staging(top) {
  const sections = top
    .split(/\n(?=(?:#.*\n)*\[)/)
    .map((section) => section.replace(/^#.*\n/gm, "").trim());
  const repeated = sections
    .filter((section) => /^\[(?:\[kv_namespaces|\[durable_objects|vars\])/.test(section))
    .map((section) => section.replace(/^(\[+)/, "$1env.staging."));
  return `# A second deployment to try changes: npm run deploy -- --env staging\n${repeated.join("\n\n")}\n`;
}

/** Quotes a text for TOML. A basic string of TOML takes JSON's escapes. @param {string} text */
function quoted(text) {
  return JSON.stringify(text);
}
