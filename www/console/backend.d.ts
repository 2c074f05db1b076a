/** Types of the responses of the API below `/_session/admin`. Times are Unix seconds, except `at` in milliseconds. */

export interface Who {
  scope: "deployment" | "tenant";
  tenant: string | null;
  documents: boolean;
  expires: number;
  version: string;
  /** Whether open connections are followed, unless a tenant's document says otherwise. */
  streams: "revocable" | "pass-through";
}

export interface Totals {
  requests: number;
  errors: number;
  sessions_active: number;
  /** 0 where the number is not limited. */
  sessions_stored: number;
  streams_active: number;
  sessions_created: number;
  sessions_ended: number;
  kv_reads: number;
  kv_writes: number;
  object_calls: number;
  cache_hits: number;
  lookups: number;
  degraded: number;
  refused: number;
  logins: number;
  login_failures: number;
  origin_failures: number;
}

/** `counts` has one more entry than `bounds`, for longer durations than the last. */
export interface Histogram {
  bounds: number[];
  counts: number[];
  sum: number;
  count: number;
}

/** Cumulative, except sessions and streams. `at` in milliseconds. */
export interface Point {
  at: number;
  requests: number;
  errors: number;
  edge_seconds: number;
  origin_seconds: number;
  kv_reads: number;
  kv_writes: number;
  object_calls: number;
  sessions_active: number;
  streams_active: number;
}

export interface TenantTotals {
  tenant: string;
  requests: number;
  errors: number;
  sessions_active: number;
  sessions_stored: number;
  streams_active: number;
}

export interface Overview {
  at: number;
  isolates: number;
  freshness_ms: number;
  scope: "deployment" | "isolate";
  totals: Totals;
  statuses: Record<string, number>;
  latency: { edge: Histogram; origin: Histogram };
  tenants: TenantTotals[];
  origins: OriginFigures[];
  busiest: BusySession[];
  history: Point[];
}

/** Requests of a session within an hour, and how many of them opened a WebSocket. */
export interface BusySession {
  tenant: string;
  handle: string;
  requests: number;
  sockets: number;
}

export interface Origin {
  name: string;
  url: string;
  /** Beginnings of the paths that its pool answers; none for the servers that hold conversations. */
  paths: string[];
  state: "active" | "drain" | "down";
  weight: number;
  release: string | null;
  capacity: number | null;
  under_way: number;
  /** Per mille of its capacity. */
  reported_load: number | null;
  ejected: boolean;
  takes_new_sessions: boolean;
  /** Whether open connections are followed, and so counted. */
  followed: boolean;
  /** Nothing before the first report. */
  figures?: OriginFigures;
}

/** A list that servers come from. */
export interface ServerList {
  name: string;
  /** Number of servers that are in it. */
  servers: number;
  /** Unix seconds of the last success; null before the first. */
  read: number | null;
  /** Why the last attempt failed; null if it did not. */
  error: string | null;
}

export interface OriginFigures {
  tenant: string;
  name: string;
  requests: number;
  failures: number;
  /** Followed sockets and event streams. */
  sockets: number;
  streams: number;
  /** Estimate of the sockets that pass through. */
  passed_through: number;
}

export interface SessionLine {
  handle: string;
  created: number;
  last_seen: number;
  expires: number;
  device: string | null;
  /** Unknown for sessions of earlier releases. */
  browser: string | null;
  country: string | null;
  path: string | null;
  origin: string | null;
  user: string | null;
}

export interface SessionPage {
  sessions: SessionLine[];
  next: string | null;
}

export interface SessionDetail extends SessionLine {
  email: string | null;
  name: string | null;
  groups: string[];
  absolute_expires: number;
  authenticated: number | null;
  pinned: boolean;
  version: number;
  data: unknown;
  redacted: string[];
  vault: string[];
  tokens: null | {
    provider: string;
    access_token_expires: number | null;
    renewable: boolean;
  };
}

export interface Fault {
  path: string;
  problem: string;
}

export interface Version {
  version: string;
  at: number;
  current: boolean;
}

export interface OriginScore {
  name: string;
  release: string | null;
  weight: number;
  score: number;
  state: string;
  ejected: boolean;
  under_way: number;
  reported_load: number | null;
  usable: boolean;
  because: string;
}

export interface Explanation {
  tenant: { id: string; because: string } | null;
  path: { territory: string; because: string } | null;
  cookie: { verdict: string; because: string } | null;
  session: null | {
    state: string;
    source: string;
    handle: string;
    user: string | null;
    version: number;
    idle_seconds_left: number;
    absolute_seconds_left: number;
  };
  login: { mode: string; rule: string; admitted: boolean; because: string } | null;
  origins: OriginScore[];
  choice: null | { origin: string; because: string; takeover: boolean };
  outcome: { does: string; status: number | null; problem: string | null; because: string };
}

export interface LogLine {
  seq: number;
  at: number;
  level: "info" | "warn" | "error";
  event: string;
  tenant?: string;
  trace_id?: string;
  handle?: string;
  origin?: string;
  method?: string;
  /** Pattern of the path, or `_session` for a reserved one; nothing for other paths of the server. */
  route?: string;
  status?: number;
  [field: string]: unknown;
}

export interface LogPage {
  lines: LogLine[];
  next: number;
  dropped: number;
}

/** The part of JSON Schema that the tenant's schema uses. */
export interface Schema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: string[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  items?: Schema;
}
