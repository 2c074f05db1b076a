/** The admin API for operators' programs (docs/reference/paths.md): tenants, users, sessions, servers and figures. */

import { errorOf } from "./admin-errors.ts";
import type {
  Account,
  AccountChange,
  DocumentVersion,
  Explanation,
  Fault,
  Level,
  LogPage,
  Origin,
  Overview,
  Question,
  SessionDetails,
  SessionPage,
  SessionSummary,
  StoredDocument,
  WhoAmI,
} from "./admin-types.ts";
import { Misconfigured, Unavailable } from "./errors.ts";
import { type JsonObject, parseObject, writeJson } from "./json.ts";
import { siteOf } from "./site.ts";

export {
  Invalid,
  NotAllowed,
  NotFound,
  RateLimited,
  Refused,
  StateConflict,
} from "./admin-errors.ts";
export type * from "./admin-types.ts";
export { Misconfigured, SessionError, Unavailable } from "./errors.ts";

export interface AdminOptions {
  /** Id of the tenant, where the deployment has several. */
  readonly tenant?: string;
  /** Vestibule's `PREFIX`. */
  readonly prefix?: string;
  /** Seconds for a call. Default: 30. */
  readonly timeout?: number;
}

export interface SessionFilter {
  /** Name of the user. */
  readonly user?: string | undefined;
  /** Name of the server. */
  readonly origin?: string | undefined;
  /** Maximum number on a page, 1 to 100. Default: 50. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly after?: string | undefined;
}

type Query = Readonly<Record<string, string | number | undefined>>;

interface Call {
  readonly query?: Query;
  readonly body?: object;
  readonly ifMatch?: string | undefined;
}

/** Calls the admin API of one Vestibule host with an `ADMIN_TOKEN`. */
export class AdminApi {
  readonly #base: string;
  readonly #authorization: string;
  readonly #timeout: number;
  readonly #tenant: string | undefined;

  constructor(url: string, token: string, options: AdminOptions = {}) {
    const { tenant, prefix = "/_session", timeout = 30 } = options;
    siteOf(url); // Refuses what is no address.
    if (!/^\P{Cc}+$/u.test(token))
      throw new Misconfigured("The admin API needs an ADMIN_TOKEN, on one line.");
    this.#base = `${url.replace(/\/+$/, "")}${prefix}/admin/`;
    // A header is a string of bytes: those of the token in UTF-8.
    this.#authorization = `Bearer ${Buffer.from(token).toString("latin1")}`;
    this.#timeout = timeout;
    this.#tenant = tenant;
  }

  /** Returns what the token opens. */
  whoAmI(): Promise<WhoAmI> {
    return this.#json("GET", "whoami");
  }

  /** Returns a page of sessions. */
  listSessions(filter: SessionFilter = {}): Promise<SessionPage> {
    return this.#json("GET", "sessions", { query: { ...filter } });
  }

  /** Iterates over all sessions, page by page. */
  async *sessions(filter: SessionFilter = {}): AsyncGenerator<SessionSummary> {
    let { after } = filter;
    do {
      const page: SessionPage = await this.listSessions({ ...filter, after });
      yield* page.sessions;
      after = page.next ?? undefined;
    } while (after !== undefined);
  }

  /** Returns a session by its `X-Session-Id` or its handle. Vestibule logs the access. */
  async viewSession(name: string): Promise<SessionDetails> {
    return this.#json("GET", pathOf("sessions", name));
  }

  async endSession(name: string): Promise<void> {
    await this.#send("DELETE", pathOf("sessions", name));
  }

  /** Ends all sessions of a user. */
  async endSessionsOf(user: string): Promise<void> {
    await this.#send("DELETE", "sessions", { query: { user } });
  }

  /** Ends all sessions of the tenant. */
  async endAllSessions(): Promise<void> {
    await this.#send("DELETE", "sessions", { query: { all: "true" } });
  }

  /** Explains what would happen to a request, without doing it. */
  explain(question: Question): Promise<Explanation> {
    return this.#json("POST", "explain", { body: question });
  }

  /** Returns the tenant's servers with state, load and health. Needs CONSISTENCY=strong. */
  async listOrigins(): Promise<readonly Origin[]> {
    return (await this.#json<{ origins: Origin[] }>("GET", "origins")).origins;
  }

  /** Stops new sessions for a server, in every location. Needs CONSISTENCY=strong. */
  async drainOrigin(name: string): Promise<void> {
    await this.#send("POST", pathOf("origins", name, "drain"));
  }

  /** Resumes new sessions for a server. */
  async undrainOrigin(name: string): Promise<void> {
    await this.#send("POST", pathOf("origins", name, "undrain"));
  }

  /** Returns the names of accounts with passwords. */
  async listUsers(): Promise<readonly string[]> {
    return (await this.#json<{ users: string[] }>("GET", "users")).users;
  }

  async getUser(name: string): Promise<Account> {
    return this.#json("GET", pathOf("users", name));
  }

  /** Creates an account, or changes these members. A new password ends the user's sessions. */
  async putUser(name: string, change: AccountChange): Promise<void> {
    await this.#send("PUT", pathOf("users", name), { body: change });
  }

  /** Deletes an account, and ends the user's sessions. */
  async deleteUser(name: string): Promise<void> {
    await this.#send("DELETE", pathOf("users", name));
  }

  /** Returns the metrics as Prometheus reads them. */
  async metrics(): Promise<string> {
    return (await this.#send("GET", "metrics")).content;
  }

  overview(): Promise<Overview> {
    return this.#json("GET", "overview");
  }

  /** Returns up to 200 log lines, by default the latest. */
  logs(options: { after?: number; level?: Level } = {}): Promise<LogPage> {
    return this.#json("GET", "logs", { query: { ...options } });
  }

  /** Returns the ids of all tenants. This and what follows needs the deployment's token. */
  async listTenants(): Promise<readonly string[]> {
    return (await this.#json<{ tenants: string[] }>("GET", "tenants")).tenants;
  }

  async getTenant(id: string): Promise<StoredDocument> {
    const { response, content } = await this.#send("GET", pathOf("tenants", id));
    return { document: objectOf(content), etag: response.headers.get("etag") ?? "" };
  }

  /** Stores a document, and returns its `ETag`. With `ifMatch`, only over that version. */
  async putTenant(
    id: string,
    document: object,
    { ifMatch }: { ifMatch?: string } = {},
  ): Promise<string> {
    const call = { body: document, ifMatch };
    const { response } = await this.#send("PUT", pathOf("tenants", id), call);
    return response.headers.get("etag") ?? "";
  }

  async deleteTenant(id: string, { ifMatch }: { ifMatch?: string } = {}): Promise<void> {
    await this.#send("DELETE", pathOf("tenants", id), { ifMatch });
  }

  /** Checks a document without storing it; returns its faults. */
  async validateTenant(document: object): Promise<readonly Fault[]> {
    const call = { body: document };
    return (await this.#json<{ faults: Fault[] }>("POST", "tenants/validate", call)).faults;
  }

  /** Returns up to twenty versions of a document, newest first. */
  async listVersions(id: string): Promise<readonly DocumentVersion[]> {
    const path = pathOf("tenants", id, "history");
    return (await this.#json<{ versions: DocumentVersion[] }>("GET", path)).versions;
  }

  /** Returns a document as it was. */
  async getVersion(id: string, version: string): Promise<JsonObject> {
    return this.#json("GET", pathOf("tenants", id, "history", version));
  }

  async #json<T>(method: string, path: string, call: Call = {}): Promise<T> {
    return objectOf((await this.#send(method, path, call)).content) as T;
  }

  async #send(method: string, path: string, { query = {}, body, ifMatch }: Call = {}) {
    const url = new URL(this.#base + path);
    for (const [name, value] of Object.entries({ tenant: this.#tenant, ...query })) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { authorization: this.#authorization };
    if (body) headers["content-type"] = "application/json";
    if (ifMatch !== undefined) headers["if-match"] = ifMatch;
    try {
      const signal = AbortSignal.timeout(1000 * this.#timeout);
      const sent = { method, headers, redirect: "manual" as const, signal };
      const response = await fetch(url, { ...sent, ...(body && { body: writeJson(body) }) });
      const content = await response.text();
      if (!response.ok) {
        const { code, detail } = problemOf(content);
        throw errorOf(response, code, detail);
      }
      return { response, content };
    } catch (error) {
      if (!isOfNetwork(error)) throw error;
      throw new Unavailable(
        `Vestibule does not answer at ${url.origin}. Check the address, and try again.`,
        { cause: error },
      );
    }
  }
}

/** A path below `/admin/` from parts, which may hold any character. */
function pathOf(...parts: string[]): string {
  const none = parts.find((part) => /^\.{0,2}$/.test(part));
  if (none !== undefined) throw new Misconfigured(`${JSON.stringify(none)} is no name.`);
  return parts.map(encodeURIComponent).join("/");
}

function objectOf(content: string): JsonObject {
  try {
    return parseObject(content);
  } catch (error) {
    throw new Misconfigured(
      "What answers is not the admin API. Check the address: it must lead to Vestibule itself.",
      { cause: error },
    );
  }
}

function problemOf(content: string): { code: string; detail: string } {
  try {
    const { code, detail } = parseObject(content);
    return { code: String(code ?? ""), detail: String(detail ?? "no details") };
  } catch {
    return { code: "", detail: "" };
  }
}

/** Whether `fetch` failed, by what it throws: a `TypeError`, or a timeout. */
function isOfNetwork(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof Error && error.name === "TimeoutError");
}
