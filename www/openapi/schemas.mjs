/** Schemas of what the reserved paths take and return. `src/api/described.rs` holds each response of the code to them. */

export const text = (/** @type {string} */ description, more = {}) => ({
  type: "string",
  description,
  ...more,
});
export const number = (/** @type {string} */ description, more = {}) => ({
  type: "integer",
  minimum: 0,
  description,
  ...more,
});
export const flag = (/** @type {string} */ description) => ({ type: "boolean", description });
export const list = (/** @type {string} */ description, /** @type {object} */ items) => ({
  type: "array",
  description,
  items,
});
export const ref = (/** @type {string} */ name) => ({ $ref: `#/components/schemas/${name}` });
const when = (/** @type {string} */ description) => number(`${description}, in Unix seconds.`);
const seconds = (/** @type {string} */ description) => number(`${description}, in seconds.`);
const texts = (/** @type {string} */ description) => list(description, { type: "string" });

/** Makes a member's value `null` where it is missing. @param {any} schema */
export const nullable = (schema) =>
  schema.$ref
    ? { oneOf: [schema, { type: "null" }] }
    : { ...schema, type: [schema.type, "null"].flat() };

/**
 * An object of these members. All are required but those named as optional, and there are no others.
 * @param {string} description
 * @param {Record<string, object>} properties
 * @param {string[]} [optional]
 */
export function object(description, properties, optional = []) {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return {
    type: "object",
    description,
    properties,
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}

/** @param {string} description @param {Record<string, object>} properties */
const optionals = (description, properties) =>
  object(description, properties, Object.keys(properties));

const DATA = { type: "object", description: "The session's data, a JSON object." };

const SUMMARY = {
  handle: text("The session's name, as in `X-Session-Id`. It is no credential."),
  created: when("When the session began"),
  last_seen: when("When it was used last, to the touch interval"),
  expires: when("When it ends without further use"),
  device: nullable(text("Kind of device on which it began.")),
  browser: nullable(text("Family of browsers in which it began, without a version.")),
  country: nullable(text("Country in which it began.")),
  path: nullable(text("First segment of the path at which it began, if it is a plain word.")),
  origin: nullable(text("Name of the server that has the conversation.")),
  user: nullable(text("Name of the user; `null` for a guest.")),
};

const IDENTITY = {
  email: nullable(text("E-mail address of the user.")),
  name: nullable(text("Name of the user for people to read.")),
};

const ORIGIN_STATE = {
  name: text("Name in `ORIGINS`."),
  paths: texts("Paths that this server serves; empty for the whole site."),
  state: text("Whether it takes sessions.", { enum: ["active", "drain", "down"] }),
  weight: number("Share of new sessions."),
  release: nullable(text("Release that it runs.")),
  under_way: number("Requests and followed connections that it has now."),
  reported_load: nullable({
    type: "number",
    description: "Load that it reports itself, from 0 to 1.",
  }),
  ejected: flag("Whether it is skipped because it failed."),
};

const EXPLAINED_ORIGIN = object("A server, and whether the request may go there.", {
  ...ORIGIN_STATE,
  score: {
    type: "number",
    description: "The highest score is selected; for a new session, its probability.",
  },
  usable: flag("Whether the request can go there."),
  because: text("Why, or why not."),
});

const because = text("The reason, in a sentence.");
const count = number("A number of these.");

const HISTOGRAM = object("Distribution of durations.", {
  bounds: list("Upper bounds of the buckets, in seconds.", { type: "number" }),
  counts: list("Number of durations in each bucket; one more for those above the last.", count),
  sum: { type: "number", description: "Sum of the durations, in seconds." },
  count: number("Number of durations."),
});

const counts = (/** @type {string[]} */ names) =>
  Object.fromEntries(names.map((name) => [name, { type: "integer", minimum: 0 }]));

const OVERVIEW = object("Figures of the deployment or of one tenant since the object began.", {
  at: number("Now, in milliseconds since 1970."),
  isolates: number("Number of isolates that reported lately."),
  freshness_ms: nullable(number("Age of the newest report, in milliseconds.")),
  scope: text("What the figures cover.", { enum: ["deployment", "isolate"] }),
  totals: object(
    "Totals.",
    counts([
      ..."requests errors sessions_active sessions_stored streams_active".split(" "),
      ..."sessions_created sessions_ended kv_reads kv_writes object_calls cache_hits".split(" "),
      ..."lookups degraded refused logins login_failures origin_failures".split(" "),
    ]),
  ),
  statuses: {
    type: "object",
    description: "Number of requests by status class.",
    additionalProperties: count,
  },
  latency: object("Time spent in Vestibule and waiting for servers.", {
    edge: ref("Histogram"),
    origin: ref("Histogram"),
  }),
  tenants: list(
    "Figures by tenant.",
    object("A tenant.", {
      tenant: text("Id of the tenant."),
      ...counts(["requests", "errors", "sessions_active", "sessions_stored", "streams_active"]),
    }),
  ),
  origins: list(
    "Figures by server.",
    object("A server.", {
      tenant: text("Id of the tenant."),
      name: text("Name in `ORIGINS`."),
      ...counts(["requests", "failures", "sockets", "streams", "passed_through"]),
    }),
  ),
  busiest: list(
    "The busiest sessions of the last hour.",
    object("A session.", {
      tenant: text("Id of the tenant."),
      handle: text("The session's handle."),
      ...counts(["requests", "sockets"]),
    }),
  ),
  history: list(
    "Totals at earlier times, oldest first.",
    object("A time.", {
      at: number("Time, in milliseconds since 1970."),
      ...counts(["requests", "errors", "kv_reads", "kv_writes", "object_calls"]),
      ...counts(["sessions_active", "streams_active"]),
      edge_seconds: { type: "number", description: "Time spent in Vestibule, in seconds." },
      origin_seconds: { type: "number", description: "Time waiting for servers, in seconds." },
    }),
  ),
});

const DECISION = {
  begin: when(
    "When a guest's session began, as in `X-Session-Created`: lets its record begin with this call",
  ),
  wait: number("Seconds to wait while another caller holds the lease.", { maximum: 10 }),
};

export const SCHEMAS = {
  Problem: object(
    "Problem details (RFC 9457). Compare `code`: it is stable.",
    {
      type: text("URI of the kind of problem.", { format: "uri" }),
      title: text("What happened, in short."),
      status: number("HTTP status.", { minimum: 400, maximum: 599 }),
      detail: text("What happened, and what to do."),
      code: text("Stable code of the problem.", { pattern: "^[a-z_]+$" }),
      trace_id: text("Finds the request in logs and traces."),
      place: number("Place of a new visitor in the queue.", { minimum: 1 }),
    },
    ["place"],
  ),
  Health: object("Health.", { status: text("State.", { enum: ["ok", "ready"] }) }),
  Me: object("The caller's own session.", {
    handle: SUMMARY.handle,
    tenant: text("Id of the tenant."),
    state: text("State of the session.", { enum: ["new", "active", "degraded"] }),
    user: SUMMARY.user,
    ...IDENTITY,
    groups: nullable(texts("Groups of the user; `null` for a guest.")),
    stored: flag("Whether it has a record in storage."),
    created: SUMMARY.created,
    expires: SUMMARY.expires,
    idle_seconds_left: seconds("Time left without use"),
    absolute_seconds_left: seconds("Time left in any case"),
    data: DATA,
  }),
  LoginMethods: object("Ways to sign in.", {
    password: flag("Whether by name and password."),
    providers: list(
      "OpenID providers.",
      object("A provider.", {
        name: text("Name for the parameter `provider`."),
        title: text("Name for people to read."),
      }),
    ),
  }),
  PasswordLogin: object(
    "A name and a password.",
    {
      username: text("Name of the account."),
      password: text("Its password.", { minLength: 1 }),
      return_to: text("Path on this site to return to."),
      remember: flag("Keeps the session after the browser closes, where the tenant allows it."),
    },
    ["return_to", "remember"],
  ),
  LoggedIn: object("The sign-in succeeded.", { return_to: text("Path to go to.") }),
  TokenExchange: object("A token to exchange.", { token: text("A JSON Web Token.") }),
  SessionToken: object("A session for a program.", {
    token: text("Bearer token of the session."),
    token_type: text("Kind of token.", { enum: ["Bearer"] }),
    expires: SUMMARY.expires,
    handle: SUMMARY.handle,
    user: SUMMARY.user,
  }),
  PasswordChange: object("The current and the new password.", {
    current: text("The current password."),
    new: text("The new one: at least 8 characters, at most 1,024 bytes."),
  }),
  SignOut: optionals("What to end.", {
    everywhere: flag("Whether to end all sessions of the user."),
  }),
  SignedOut: object("The sign-out continues at the provider.", {
    continue: text("URL to open in the browser.", { format: "uri" }),
  }),
  PopupCode: {
    ...object("The code of a window.", {
      state: text("State of the frame's sign-in."),
      code: text("The code."),
    }),
    additionalProperties: true,
  },
  LogoutToken: {
    ...object("A report of a provider.", { logout_token: text("The logout token.") }),
    additionalProperties: true,
  },
  LogoutRefused: object("The report is refused (OpenID Connect Back-Channel Logout 1.0).", {
    error: text("Code of the error.", { enum: ["invalid_request"] }),
    error_description: text("What is wrong."),
  }),
  JsonWebKeys: object("Keys that verify `X-Session-Assertion` (RFC 7517).", {
    keys: list("Keys, the current one first.", {
      type: "object",
      properties: {
        kty: text("Key type.", { enum: ["EC"] }),
        crv: text("Curve.", { enum: ["P-256"] }),
        x: text("Coordinate."),
        y: text("Coordinate."),
        kid: text("Name of the key."),
        alg: text("Algorithm.", { enum: ["ES256"] }),
        use: text("Use.", { enum: ["sig"] }),
      },
      required: ["kty", "crv", "x", "y", "kid", "alg", "use"],
    }),
  }),
  MySessions: object("The user's sessions.", {
    sessions: list(
      "Sessions, newest first.",
      object("A session.", {
        ...SUMMARY,
        current: flag("Whether it is the caller's own."),
      }),
    ),
  }),
  Session: object("A session, as its server sees it.", {
    ...SUMMARY,
    ...IDENTITY,
    groups: nullable(texts("Groups of the user; `null` for a guest.")),
    groups_omitted: nullable(number("Number of groups that did not fit.")),
    data: DATA,
    version: number("Counts changes; the `ETag` has it, too."),
  }),
  SessionChange: optionals("A change of a session.", {
    patch: { type: "object", description: "Merge patch of the data (RFC 7396)." },
    ttl: seconds("New idle limit"),
    lease: number("Token of the lease that the caller holds."),
    ...DECISION,
  }),
  LeaseRequest: optionals("A lease to take or to extend.", {
    seconds: number("Time until the lease ends by itself.", { minimum: 1, maximum: 300 }),
    exclusive: flag("Whether to refuse changes without its token."),
    token: number("Token of a lease to extend."),
    ...DECISION,
  }),
  Lease: object("A lease.", {
    token: number("Names the lease in changes."),
    until: when("When it ends"),
    exclusive: flag("Whether changes without its token are refused."),
  }),
  LeaseRelease: object("A lease to return.", { token: number("Its token.") }),
  SessionPage: object("A page of sessions.", {
    sessions: list("Sessions.", object("A session.", SUMMARY)),
    next: nullable(text("Value of `after` for the next page; `null` on the last.")),
  }),
  SessionDetails: object("A session, as operators see it.", {
    ...SUMMARY,
    ...IDENTITY,
    groups: texts("Groups of the user."),
    groups_omitted: number("Number of groups that did not fit."),
    absolute_expires: when("When it ends in any case"),
    authenticated: nullable(when("When the user proved the identity")),
    pinned: flag("Whether it is kept at another server than its handle selects."),
    version: number("Counts changes."),
    data: { description: "The data; values that look like secrets are hidden." },
    redacted: texts("Paths of the hidden values."),
    vault: texts("Names of the server's cookies that Vestibule keeps."),
    tokens: nullable(
      object("Tokens of a provider.", {
        provider: text("Name of the provider."),
        access_token_expires: nullable(when("When the access token ends")),
        renewable: flag("Whether it can be renewed."),
      }),
    ),
  }),
  Origins: object("The tenant's servers.", {
    origins: list(
      "Servers.",
      object("A server.", {
        ...ORIGIN_STATE,
        url: text("Its address."),
        capacity: nullable(number("Requests and connections that it can have at once.")),
        followed: flag("Whether open connections are followed."),
        takes_new_sessions: flag("Whether new sessions may begin there."),
      }),
    ),
    lists: list(
      "Lists of servers.",
      object("A list of servers.", {
        name: text("Name of the list: that of its entry, or its kind and host."),
        servers: number("Number of servers that are in it."),
        read: nullable(when("When it was last read without an error")),
        error: nullable(text("Why the last attempt to read it failed.")),
      }),
    ),
  }),
  Question: {
    type: "object",
    description: "A request as its sender wrote it, or a session by its handle.",
    oneOf: [
      object(
        "A request.",
        {
          method: nullable(text("Its method; `GET` by default.")),
          url: text("Its whole URL."),
          headers: nullable({
            type: "object",
            description: "Its headers.",
            additionalProperties: { type: "string" },
          }),
        },
        ["method", "headers"],
      ),
      object(
        "The next request of a session.",
        {
          handle: text("Its `X-Session-Id`."),
          method: nullable(text("The method; `GET` by default.")),
          path: nullable(text("The path; `/` by default.")),
        },
        ["method", "path"],
      ),
    ],
  },
  Explanation: object("Each step of a request; `null` for one that is not reached.", {
    tenant: nullable(object("The tenant.", { id: text("Its id."), because })),
    path: nullable(
      object("The path.", {
        territory: text("Who answers it.", { enum: ["origin", "reserved", "disguised"] }),
        because,
      }),
    ),
    cookie: nullable(
      object("The cookie or token.", {
        verdict: text("What it is.", {
          enum: ["absent", "forged", "unknown key", "genuine", "not asked"],
        }),
        because,
      }),
    ),
    session: nullable(
      object("The session.", {
        state: text("Its state.", {
          enum: ["guest", "live", "expired", "ended", "revoked", "unreadable", "unknown"],
        }),
        source: text("Where it was found.", {
          enum: ["cookie", "isolate", "namespace", "object"],
        }),
        handle: SUMMARY.handle,
        user: SUMMARY.user,
        version: number("Counts changes."),
        idle_seconds_left: seconds("Time left without use"),
        absolute_seconds_left: seconds("Time left in any case"),
      }),
    ),
    login: nullable(
      object("The rule for signing in.", {
        mode: text("The mode.", { enum: ["off", "optional", "required"] }),
        rule: nullable(text("Path of the exception that applies.")),
        admitted: flag("Whether the visitor is admitted."),
        because,
      }),
    ),
    origins: list("The servers that can serve the path.", EXPLAINED_ORIGIN),
    choice: nullable(
      object("The selected server.", {
        origin: text("Its name."),
        because,
        takeover: flag("Whether the conversation moves there."),
      }),
    ),
    outcome: object("What happens.", {
      does: text("Whether the request is forwarded.", { enum: ["forward", "answer"] }),
      status: nullable(number("Status of the answer, if it is certain.")),
      problem: nullable(text("Problem code of the answer.")),
      because,
    }),
  }),
  Users: object("Names of the accounts.", { users: texts("Names, as they are stored.") }),
  Account: object(
    "An account with a password.",
    {
      user: text("Name, as it was written when the account was made."),
      email: text("E-mail address."),
      name: text("Name for people to read."),
      groups: texts("Groups."),
      disabled: flag("Whether signing in is refused."),
      changed: when("When the account or its password changed"),
    },
    ["email", "name", "groups", "disabled", "changed"],
  ),
  AccountChange: optionals("Members to set; `null` removes one. A new account needs a password.", {
    email: nullable(text("E-mail address.", { minLength: 1, maxLength: 320 })),
    name: nullable(text("Name for people to read.", { minLength: 1, maxLength: 320 })),
    groups: nullable({
      ...list("Groups.", { type: "string", minLength: 1, maxLength: 320, pattern: "^[^,]*$" }),
      maxItems: 64,
    }),
    password: text("Password: at least 8 characters, at most 1,024 bytes.", {
      minLength: 8,
      maxLength: 1024,
      writeOnly: true,
    }),
    disabled: flag("Whether signing in is refused."),
  }),
  Kept: object("The account is stored.", { kept: flag("Always true.") }),
  WhoAmI: object("What the presented token opens.", {
    scope: text("All tenants, or one.", { enum: ["deployment", "tenant"] }),
    tenant: nullable(text("Id of the tenant; `null` if there are several.")),
    documents: flag("Whether tenants have documents."),
    expires: nullable(when("When the console session ends; `null` for a bearer token")),
    idle_seconds: seconds("Idle limit of a console session"),
    version: text("Version of Vestibule."),
    streams: text(
      "Whether open connections are followed, unless a tenant's document says otherwise.",
      {
        enum: ["pass-through", "revocable"],
      },
    ),
  }),
  ConsoleSignIn: object("A token to exchange for a console session.", {
    token: text("`ADMIN_TOKEN`, or a tenant's own.", { writeOnly: true }),
  }),
  Histogram: HISTOGRAM,
  Overview: OVERVIEW,
  LogPage: object("Log lines.", {
    lines: list("Lines, oldest first.", {
      type: "object",
      description: "A line with its fields, and its number as `seq`.",
      properties: {
        seq: number("Number of the line."),
        at: number("Time, in milliseconds since 1970."),
        level: text("Severity.", { enum: ["info", "warn", "error"] }),
        event: text("What happened."),
      },
      required: ["seq", "level", "event"],
    }),
    next: number("Value of `after` for the next page."),
    dropped: number("Number of lines after `after` that are not kept any more."),
  }),
  Tenants: object("Ids of all tenants.", { tenants: texts("Ids.") }),
  Faults: object("Faults of a document; none if it is valid.", {
    faults: list(
      "Faults.",
      object("A fault.", {
        path: text("Path of the value in the document."),
        problem: text("What is wrong, and what to write."),
      }),
    ),
  }),
  History: object("Versions of a document.", {
    versions: list(
      "Versions, newest first.",
      object("A version.", {
        version: text("Its name.", { pattern: "^[0-9]{16}$" }),
        at: when("When it was stored"),
        current: flag("Whether it is in use."),
      }),
    ),
  }),
  PreviewForm: {
    ...object("A page to render.", {
      document: text("A tenant's document as JSON."),
      page: text("Which page.", { enum: ["sign-in", "sign-out", "problem", "waiting"] }),
    }),
    additionalProperties: true,
  },
};
