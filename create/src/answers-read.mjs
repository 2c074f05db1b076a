/** Decides whether an answer is one: the same for options and for questions. */

/** Ways to sign in. */
export const SIGN_INS = ["off", "password", "oidc"];

/** A Worker's name, which is also its host on workers.dev. @param {string} text */
export function isWorkerName(text) {
  return /^[a-z0-9](?:[a-z0-9-]{0,52}[a-z0-9])?$/.test(text);
}

/** An origin as in ORIGINS: `[name=]http(s)://host[:port][;attribute=value…]`. @param {string} text */
export function isOrigin(text) {
  const [, url] =
    text.trim().match(/^(?:[a-z0-9][\w-]*=)?(https?:\/\/[^\s;,"'\\]+)(?:;[^,"'\\]*)?$/i) ?? [];
  return url !== undefined && URL.canParse(url);
}
