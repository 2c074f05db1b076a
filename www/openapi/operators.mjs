/** Paths for operators: the admin API of a tenant, and the console. */
import { HANDLE, LIST_EXAMPLE, ORIGIN_EXAMPLE, SUMMARY_EXAMPLE } from "./examples.mjs";
import { ORIGIN_NAME, SESSION_NAME, USER_NAME } from "./names.mjs";
import {
  ANYBODY,
  empty,
  inPath,
  inQuery,
  json,
  jsonBody,
  OPERATOR,
  operation,
  redirect,
  textual,
} from "./operation.mjs";
import { JSON_BODY } from "./problems.mjs";

/** What every call of an operator may cause. */
export const KEY = ["api_key", "too_many_guesses", "not_allowed", "not_found", "store_unavailable"];
export const TENANT = inQuery("tenant", "Id of the tenant, where there are several.");
const NAME = inPath(
  "name",
  "The session's `X-Session-Id`, or its handle alone.",
  SESSION_NAME,
  HANDLE,
);
const ORIGIN = inPath("name", "The server's name in `ORIGINS`.", ORIGIN_NAME, "chat-1");
const USER = inPath("name", "Name of the account.", USER_NAME, "ada");
const STORED = [...KEY, "invalid", "session_corrupt", "schema_newer", "key_unknown"];
const ACCOUNTS = [...KEY, "invalid", "accounts_unavailable"];
const EMPTY_HISTOGRAM = { bounds: [0.1, 1], counts: [1, 0, 0], sum: 0.05, count: 1 };

/** @param {Omit<import("./operation.mjs").Operation, "tag" | "security">} own */
const operators = ({ parameters = [], ...own }) =>
  operation({
    ...own,
    tag: "operators",
    security: OPERATOR,
    parameters: [TENANT, ...parameters],
    hasPages: true,
  });

export const OPERATORS = {
  "/admin/sessions": {
    get: operators({
      id: "listSessions",
      summary: "Lists sessions, by page",
      parameters: [
        inQuery("user", "Lists those of this user."),
        inQuery("origin", "Lists those at this server: a page may hold fewer."),
        inQuery("limit", "Maximum number of sessions on the page; 50 by default.", {
          type: "integer",
          minimum: 1,
          maximum: 100,
        }),
        inQuery("after", "`next` of the page before."),
      ],
      responses: { 200: json("SessionPage", { sessions: [SUMMARY_EXAMPLE], next: null }) },
      problems: [...KEY, "invalid", "list_unavailable"],
    }),
    delete: operators({
      id: "endSessions",
      summary: "Ends the sessions of a user, or all",
      description: "Name a `user`, or say `all=true`.",
      parameters: [
        inQuery("user", "Name of the user."),
        inQuery("all", "Ends all sessions of the tenant.", { type: "string", enum: ["true"] }),
      ],
      responses: { 204: empty("The sessions are over.") },
      problems: ["csrf", ...KEY, "invalid"],
    }),
  },
  "/admin/sessions/{name}": {
    parameters: [NAME],
    get: operators({
      id: "viewSession",
      summary: "Returns a session without its secrets; the log records it",
      responses: {
        200: json("SessionDetails", {
          ...SUMMARY_EXAMPLE,
          email: "ada@example.com",
          name: "Ada Lovelace",
          groups: ["staff"],
          groups_omitted: 0,
          absolute_expires: 1790604800,
          authenticated: 1790000000,
          pinned: false,
          version: 4,
          data: { visits: 3, api_key: "(hidden)" },
          redacted: ["api_key"],
          vault: ["_gradio"],
          tokens: { provider: "corp", access_token_expires: 1790003600, renewable: true },
        }),
      },
      problems: STORED,
    }),
    delete: operators({
      id: "endAnySession",
      summary: "Ends a session",
      responses: { 204: empty("The session is over.") },
      problems: ["csrf", ...STORED],
    }),
  },
  "/admin/explain": {
    post: operators({
      id: "explain",
      summary: "Explains what would happen to a request, without doing it",
      body: jsonBody("Question", { handle: HANDLE, path: "/" }),
      responses: {
        200: json("Explanation", {
          tenant: { id: "acme", because: "chat.example is listed by name." },
          path: { territory: "origin", because: "The path is not below /_session." },
          cookie: { verdict: "not asked", because: "The session was named by its handle." },
          session: {
            state: "live",
            source: "object",
            handle: HANDLE,
            user: "ada",
            version: 4,
            idle_seconds_left: 86400,
            absolute_seconds_left: 604800,
          },
          login: {
            mode: "optional",
            rule: null,
            admitted: true,
            because: "ada has signed in.",
          },
          origins: [
            {
              name: "chat-1",
              paths: [],
              state: "active",
              weight: 1,
              release: null,
              under_way: 12,
              reported_load: null,
              ejected: false,
              score: 0.52,
              usable: true,
              because: "It can be used.",
            },
          ],
          choice: {
            origin: "chat-1",
            because:
              "It has the highest score among the origins for the session's release and age.",
            takeover: false,
          },
          outcome: {
            does: "forward",
            status: null,
            problem: null,
            because: "No rule stops the request.",
          },
        }),
      },
      problems: ["csrf", ...STORED, ...JSON_BODY, "key_unknown"],
    }),
  },
  "/admin/origins": {
    get: operators({
      id: "listOrigins",
      summary: "Lists the tenant's servers with state, load and health",
      responses: { 200: json("Origins", { origins: [ORIGIN_EXAMPLE], lists: [LIST_EXAMPLE] }) },
      problems: [...KEY, "needs_objects"],
    }),
  },
  "/admin/origins/{name}/drain": {
    parameters: [ORIGIN],
    post: operators({
      id: "drainOrigin",
      summary: "Stops new sessions for a server, in every location within seconds",
      responses: { 204: empty() },
      problems: ["csrf", ...KEY, "needs_objects"],
    }),
  },
  "/admin/origins/{name}/undrain": {
    parameters: [ORIGIN],
    post: operators({
      id: "undrainOrigin",
      summary: "Resumes new sessions for a server",
      responses: { 204: empty() },
      problems: ["csrf", ...KEY, "needs_objects"],
    }),
  },
  "/admin/users": {
    get: operators({
      id: "listUsers",
      summary: "Lists the names of accounts with passwords",
      responses: { 200: json("Users", { users: ["ada", "bea"] }) },
      problems: ACCOUNTS,
    }),
  },
  "/admin/users/{name}": {
    parameters: [USER],
    get: operators({
      id: "getUser",
      summary: "Returns an account, without its password",
      responses: {
        200: json("Account", { user: "Ada", groups: ["staff"], changed: 1790000000 }),
      },
      problems: ACCOUNTS,
    }),
    put: operators({
      id: "putUser",
      summary: "Creates an account, or changes the given members",
      description: "A new password, or `disabled`, ends the user's sessions.",
      body: jsonBody("AccountChange", { password: "difference engine", groups: ["staff"] }),
      responses: { 200: json("Kept", { kept: true }) },
      problems: ["csrf", ...ACCOUNTS, ...JSON_BODY, "login_busy"],
    }),
    delete: operators({
      id: "deleteUser",
      summary: "Deletes an account, and ends the user's sessions",
      responses: { 204: empty() },
      problems: ["csrf", ...ACCOUNTS],
    }),
  },
  "/admin/metrics": {
    get: operators({
      id: "getMetrics",
      summary: "Returns the metrics for Prometheus",
      responses: { 200: textual("Metrics.", "text/plain") },
      problems: [...KEY, "invalid"],
    }),
  },
  "/admin/overview": {
    get: operators({
      id: "getOverview",
      summary: "Returns figures, as the console shows them",
      responses: {
        200: json("Overview", {
          at: 1790000000000,
          isolates: 1,
          freshness_ms: 2000,
          scope: "deployment",
          totals: Object.fromEntries(
            [
              ..."requests errors sessions_active sessions_stored streams_active".split(" "),
              ..."sessions_created sessions_ended kv_reads kv_writes object_calls".split(" "),
              ..."cache_hits lookups degraded refused logins login_failures".split(" "),
              "origin_failures",
            ].map((name) => [name, 1]),
          ),
          statuses: { "2xx": 1 },
          latency: { edge: EMPTY_HISTOGRAM, origin: EMPTY_HISTOGRAM },
          tenants: [],
          origins: [],
          busiest: [],
          history: [],
        }),
      },
      problems: [...KEY, "invalid"],
    }),
  },
  "/admin/logs": {
    get: operators({
      id: "getLogs",
      summary: "Returns log lines, up to 200 a page",
      parameters: [
        inQuery("after", "`next` of the page before; by default the latest lines.", {
          type: "integer",
          minimum: 0,
        }),
        inQuery("level", "Least severity.", { type: "string", enum: ["info", "warn", "error"] }),
      ],
      responses: {
        200: json("LogPage", {
          lines: [{ seq: 1, at: 1790000000000, level: "info", event: "audit_console_signed_in" }],
          next: 1,
          dropped: 0,
        }),
      },
      problems: [...KEY, "invalid"],
    }),
  },
  "/admin/whoami": {
    get: operators({
      id: "whoAmI",
      summary: "Returns what the presented token opens",
      responses: {
        200: json("WhoAmI", {
          scope: "deployment",
          tenant: null,
          documents: true,
          expires: null,
          idle_seconds: 1800,
          version: "0.2.0",
          streams: "pass-through",
        }),
      },
      problems: [...KEY, "invalid"],
    }),
  },
  "/admin/sign-in": {
    post: operation({
      id: "signInToConsole",
      tag: "console",
      summary: "Begins a console session",
      security: ANYBODY,
      body: jsonBody("ConsoleSignIn", { token: "an-operators-token-of-32-chars!!" }),
      responses: { 204: empty("The session has begun.", { "Set-Cookie": "Its cookie." }) },
      problems: [
        ...JSON_BODY,
        "json_count",
        "invalid",
        "api_key",
        "too_many_guesses",
        "csrf",
        "not_found",
        "console_unconfigured",
        "store_unavailable",
      ],
    }),
  },
  "/admin/sign-out": {
    post: operation({
      id: "signOutOfConsole",
      tag: "console",
      summary: "Ends the console session, and all copies of its cookie",
      security: [{}, { consoleCookie: [] }],
      responses: { 204: empty("The session is over.", { "Set-Cookie": "Clears the cookie." }) },
      problems: ["csrf", "store_unavailable"],
    }),
  },
  "/console": {
    get: operation({
      id: "findConsole",
      tag: "console",
      summary: "Leads to the console",
      security: ANYBODY,
      responses: { 308: redirect("The console is at `/console/`.") },
      problems: ["not_found", "console_unconfigured"],
    }),
  },
  "/console/": {
    get: operation({
      id: "getConsole",
      tag: "console",
      summary: "Shows the console",
      security: ANYBODY,
      responses: { 200: textual("The page.", "text/html"), 304: empty("It has not changed.") },
      problems: ["not_found", "console_unconfigured"],
    }),
  },
  "/console/{file}": {
    parameters: [
      inPath(
        "file",
        "Name of the file.",
        { type: "string", pattern: "^[a-z.]*[a-z]$" },
        "tenant.schema.json",
      ),
    ],
    get: operation({
      id: "getConsoleFile",
      tag: "console",
      summary: "Returns a file of the console, such as the schema of a tenant's document",
      security: ANYBODY,
      responses: {
        200: {
          description: "The file.",
          content: Object.fromEntries(
            ["text/html", "text/javascript", "text/css", "application/schema+json"].map((type) => [
              type,
              { schema: {} },
            ]),
          ),
        },
        304: empty("It has not changed."),
      },
      problems: ["not_found", "console_unconfigured"],
    }),
  },
};
