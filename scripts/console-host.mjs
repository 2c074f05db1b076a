/**
 * What `npm run deploy` says if operators would find no console: where there is a token for it, and no host of
 * its own. Outside this machine the console is under no host that a chat server has.
 * @param {string} configuration wrangler.toml
 * @param {string | null} secrets their list, as JSON; none if nobody may see it
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
