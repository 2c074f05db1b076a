/** Calls the API. A failure is thrown as a readable `Refusal`. */
import { signal } from "@preact/signals";

/** The reserved prefix of this deployment: the path before `/console`. */
const PREFIX = location.pathname.replace(/\/console(\/.*)?$/, "");

/** Maximum time for a response, in milliseconds. */
const PATIENCE = 20_000;

/** Whether the API reported that the console session has ended. */
export const isOver = signal(false);

/** A failed request, with the texts of the problem details. Status 0: the API was unreachable. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {{ type?: string, title?: string, detail?: string, trace_id?: string }} problem
   * @param {number} [wait] seconds to leave it alone
   */
  constructor(status, problem, wait = 0) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.title = problem.title ?? "";
    this.kind = String(problem.type ?? "")
      .split(/[/:#]/)
      .at(-1);
    this.trace = problem.trace_id;
    this.wait = wait;
  }
}

/**
 * @typedef {Record<string, string | number | null | undefined>} Query empty values are omitted
 * @typedef {{ query?: Query, body?: unknown, etag?: string, signal?: AbortSignal }} Question
 */

/**
 * @param {string} path below the prefix
 * @param {Query} [query]
 */
export function address(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return `${PREFIX}/${path}${given.length > 0 ? `?${search}` : ""}`;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Question} [question]
 */
export async function ask(method, path, { query, body, etag, signal } = {}) {
  const headers = new Headers({ accept: "application/json" });
  if (body !== undefined) headers.set("content-type", "application/json");
  if (etag) headers.set("if-match", etag);
  const response = await fetch(address(path, query), {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal ? [signal] : [])]),
  }).catch((error) => {
    throw signal?.aborted ? error : unreached();
  });
  if (response.ok) return response;
  if (response.status === 401 && path !== "admin/sign-in") isOver.value = true;
  throw await refused(response);
}

/**
 * @param {string} path
 * @param {Question} [question]
 * @returns {Promise<any>} the JSON it answers
 */
export async function get(path, question) {
  const response = await ask("GET", path, question);
  return response.json().catch(() => {
    throw new Refusal(response.status, { title: "The answer was cut off or is no JSON." });
  });
}

/** @param {Response} response */
async function refused(response) {
  const problem = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("retry-after")) || 0;
  return new Refusal(response.status, problem, wait);
}

function unreached() {
  const detail = "The server cannot be reached. Check the network.";
  return new Refusal(0, { title: "No connection", detail });
}
