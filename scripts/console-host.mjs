/**
 * Returns a warning of `npm run deploy` if there is a token for the console but no host. Deployed, the console
 * is never served at a chat server's host.
 * @param {string} configuration wrangler.toml
 * @param {string | null} secrets list of the secrets as JSON; null if it cannot be read
 * @returns {string[]}
 */
export function consoleHostMissing(configuration, secrets) {
  const isSet = /^\s*CONSOLE_HOST\s*=\s*["'][^"']/m.test(configuration);
  const names = secrets ?? "";
  const isSecret = names.includes('"CONSOLE_HOST"');
  const hasToken = /"(?:[A-Z0-9_]+__)?ADMIN_TOKEN"/.test(names);
  return isSet || isSecret || !hasToken
    ? []
    : [
        "a host for the console — CONSOLE_HOST in wrangler.toml, one that no chat server has; without it the console stays closed, and only programs can use ADMIN_TOKEN",
      ];
}
