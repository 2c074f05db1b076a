/** Real servers on free ports of loopback, and requests as Vestibule sends them. */

import { createHmac } from "node:crypto";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { keyId, ProofVerifier, signedText } from "../src/proof.ts";
import { Proof } from "../src/verification.ts";

export const KEY = "an-origin-key-of-32-characters!!";
export const ID = "Vo3nJzXQ0cYF0yq5cJ1a2g";

/** Believes what is signed with `KEY`. */
export const PROVED = { verifier: new Proof(new ProofVerifier([KEY])) };

/** Serves until the test ends; returns its address. */
export async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  return listening(t, createServer(listener));
}

export async function listening(t: TestContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  // Not awaited: sockets that were upgraded are closed by who opened them.
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export interface Signed {
  method?: string;
  id?: string;
  user?: string;
  /** Unix seconds. */
  at?: number;
}

/** Returns the headers of a session with the proof for one path. */
export function signed(path: string, options: Signed = {}): Record<string, string> {
  const { method = "GET", id = ID, user = "", at = Math.floor(Date.now() / 1000) } = options;
  const text = signedText({ method, path, id, user }, String(at));
  const mac = createHmac("sha256", KEY).update(text).digest("base64url");
  return {
    "x-session-id": id,
    ...(user && { "x-session-user": user }),
    "x-session-proof": `v1;t=${at};k=${keyId(KEY)};mac=${mac}`,
  };
}

/** Waits for a condition. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise(setImmediate);
}

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test expects, it asserts.
  json: any;
}

/** Sends a request byte for byte: `fetch` would rewrite the path, and join headers. */
export function send(
  url: string,
  path: string,
  headers: Record<string, string> | string[] = {},
  method = "GET",
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port, host } = new URL(url);
    const lines = Array.isArray(headers) ? ["host", host, ...headers] : headers;
    const sent = request({ hostname, port, path, method, headers: lines, agent: false });
    sent.on("error", reject).on("response", async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      const status = response.statusCode ?? 0;
      resolve({ status, headers: response.headers, text, json: parsed(text) });
    });
    sent.end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
