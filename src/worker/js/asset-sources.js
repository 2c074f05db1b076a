/**
 * Where tenants' files come from: a URL, or beside their documents. A source is told nothing of who
 * asks for the file.
 */
import { ask } from "./asking.js";
import { bytesOf } from "./bytes.js";
import { find } from "./documents.js";
import { isDeadline, within } from "./waiting.js";

/** How long a source may take, in milliseconds. */
const DEADLINE = 5_000;

/** The most bytes of a file. */
const MOST_BYTES = 5 * 1024 * 1024;

/** @typedef {{ type: string, bytes: Uint8Array<ArrayBuffer> }} Found */
/**
 * In words for the log, which name no URL and hold no secret. Gone is what the source itself says is
 * not there: somebody may have taken it away.
 * @typedef {{ trouble: string, isGone: boolean }} Trouble
 */

/** Statuses by which a source says that a file is not there. */
const GONE = [404, 410];

/**
 * @param {Env} env
 * @param {string} source a URL, or a key as of a document
 * @returns {Promise<Found | Trouble>}
 */
export async function obtain(env, source) {
  try {
    const found = await within(
      DEADLINE,
      source.startsWith("asset:") ? kept(env, source) : fetched(source),
    );
    return "type" in found && isPage(found.type) ? trouble("html") : found;
  } catch (error) {
    return trouble(isDeadline(error) ? "deadline" : "no answer");
  }
}

/** A page in a file's place is somebody's error page, or an attack. @param {string} type */
function isPage(type) {
  return /^\s*(text\/html|application\/xhtml\+xml)\b/i.test(type);
}

/**
 * Redirects are not followed: they lead where nobody has agreed to.
 * @param {string} url
 * @returns {Promise<Found | Trouble>}
 */
async function fetched(url) {
  // Cuts the body too when the time is over.
  const response = await ask(url, { signal: AbortSignal.timeout(DEADLINE) });
  if (response.status !== 200) {
    await response.body?.cancel();
    return trouble(`status ${response.status}`, GONE.includes(response.status));
  }
  const bytes = await bytesOf(response.body, MOST_BYTES);
  return bytes ? { type: response.headers.get("content-type") ?? "", bytes } : tooLarge();
}

/**
 * Text like all that is kept there: `{"type": "image/png", "base64": "…"}`.
 * @param {Env} env
 * @param {string} key
 * @returns {Promise<Found | Trouble>}
 */
async function kept(env, key) {
  const text = await find(env, key);
  if (text === null) return trouble("absent", true);
  try {
    const { type, base64 } = JSON.parse(text);
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    return bytes.length > MOST_BYTES ? tooLarge() : { type: String(type), bytes };
  } catch {
    return trouble("malformed");
  }
}

function tooLarge() {
  return trouble("larger than 5 MiB");
}

/**
 * @param {string} words
 * @returns {Trouble}
 */
function trouble(words, isGone = false) {
  return { trouble: words, isGone };
}
