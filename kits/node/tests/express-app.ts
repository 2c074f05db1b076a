/** An Express that believes what is signed with `KEY`, and answers what it knows of a request. */

import type { IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import express, { type Express } from "express";
import { sessionMiddleware } from "../src/express.ts";
import { PROVED, serve } from "./support.ts";

export function describe({ vestibuleSession: session }: IncomingMessage): object {
  if (!session.exists) return { session: null };
  return { session: session.id, user: session.user, data: session.data };
}

export async function start(
  t: TestContext,
  routes: (app: Express) => void = () => {},
): Promise<string> {
  const app = express();
  app.use(sessionMiddleware({ ...PROVED, openPaths: ["/healthz", "/public/*"] }));
  routes(app);
  app.use((request, response) => {
    const { headers, rawHeaders, headersDistinct } = request;
    const names = [...Object.keys(headers), ...rawHeaders, ...Object.keys(headersDistinct)];
    response.json({ ...describe(request), names });
  });
  return serve(t, app);
}
