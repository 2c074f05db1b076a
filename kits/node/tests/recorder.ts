/** A server of the session API that records what it is asked. */

import assert from "node:assert/strict";
import type { IncomingHttpHeaders } from "node:http";
import type { TestContext } from "node:test";
import { Channel } from "../src/channel.ts";
import { OriginApi } from "../src/index.ts";
import { Session } from "../src/session.ts";
import type { Snapshot } from "../src/snapshot.ts";
import { serve } from "./support.ts";

export const NAME = "Vo3nJzXQ0cYF0yq5cJ1a2g.AAECAwQF";
export const RECORD = {
  handle: NAME,
  created: 1_700_000_000,
  expires: 1_700_001_800,
  user: "ada",
  email: null,
  name: "Ada",
  groups: ["staff"],
  groups_omitted: 2,
  data: { count: 4 },
  version: 2,
};

/** The session as the last request described it. */
export const KNOWN: Snapshot = {
  id: NAME,
  tenant: "acme",
  user: null,
  email: null,
  name: null,
  groups: [],
  groupsOmitted: 0,
  data: {},
  dataOmitted: true,
  env: { MODEL: "small" },
  state: "takeover",
  created: 1_699_999_999,
  expires: 0,
};

interface Call {
  method: string | undefined;
  path: string | undefined;
  body: unknown;
  headers: IncomingHttpHeaders;
}

interface Prepared {
  status: number;
  body?: unknown;
  headers?: Record<string, string>;
  /** Answered only then. */
  after?: Promise<void>;
}

export class Recorder {
  calls: Call[] = [];
  answer: (call: Call) => Prepared = () => ({ status: 200, body: RECORD });
  url = "";

  static async start(t: TestContext): Promise<Recorder> {
    const recorder = new Recorder();
    recorder.url = await serve(t, async (request, response) => {
      let text = "";
      for await (const chunk of request.setEncoding("utf8")) text += chunk;
      const { method, url: path, headers } = request;
      const call = { method, path, body: text ? JSON.parse(text) : undefined, headers };
      recorder.calls.push(call);
      const { status, body, headers: given = {}, after } = recorder.answer(call);
      await after;
      response.writeHead(status, given).end(body === undefined ? "" : JSON.stringify(body));
    });
    return recorder;
  }

  get api(): OriginApi {
    return new OriginApi(this.url, "the-key");
  }

  session(known = KNOWN): Session {
    return new Session(new Channel(this.api, known));
  }

  get last(): Call {
    return this.calls.at(-1) ?? assert.fail("no call");
  }
}
