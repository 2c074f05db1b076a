/** What the admin API takes and returns, named as in Vestibule's `openapi.json`. Times are Unix seconds. */

import type { JsonObject } from "./json.ts";

/** A session in a list. */
export interface SessionSummary {
  readonly handle: string;
  readonly created: number;
  readonly last_seen: number;
  readonly expires: number;
  readonly device: string | null;
  /** The family, such as `Firefox`; `null` if unknown, or before release 0.3. */
  readonly browser: string | null;
  readonly country: string | null;
  /** First segment of the path where it began, such as `/chat`, if it is a plain word. */
  readonly path: string | null;
  /** The server that has the conversation. */
  readonly origin: string | null;
  /** `null` for a guest. */
  readonly user: string | null;
}

export interface SessionPage {
  readonly sessions: readonly SessionSummary[];
  /** `after` of the next page; `null` on the last. */
  readonly next: string | null;
}

/** A session with its data. Values that look like secrets are hidden; `redacted` has their paths. */
export interface SessionDetails extends SessionSummary {
  readonly email: string | null;
  readonly name: string | null;
  readonly groups: readonly string[];
  readonly groups_omitted: number;
  readonly absolute_expires: number;
  readonly authenticated: number | null;
  readonly pinned: boolean;
  readonly version: number;
  readonly data: JsonObject;
  readonly redacted: readonly string[];
  readonly vault: readonly string[];
  readonly tokens: {
    readonly provider: string;
    readonly access_token_expires: number | null;
    readonly renewable: boolean;
  } | null;
}

/** A chat server. */
export interface Origin {
  readonly name: string;
  readonly url: string;
  readonly paths: readonly string[];
  readonly state: "active" | "drain" | "down";
  readonly weight: number;
  readonly release: string | null;
  readonly capacity: number | null;
  /** Requests and followed connections that it has now. */
  readonly under_way: number;
  readonly followed: boolean;
  readonly reported_load: number | null;
  readonly ejected: boolean;
  readonly takes_new_sessions: boolean;
}

/** An account with a password. */
export interface Account {
  readonly user: string;
  readonly email?: string;
  readonly name?: string;
  readonly groups?: readonly string[];
  readonly disabled?: boolean;
  readonly changed?: number;
}

/** Members to set; `null` removes one. A new account needs a password. */
export interface AccountChange {
  readonly email?: string | null;
  readonly name?: string | null;
  readonly groups?: readonly string[] | null;
  readonly password?: string;
  readonly disabled?: boolean;
}

/** A request as its sender wrote it, or the next request of a session. */
export type Question =
  | { readonly url: string; readonly method?: string; readonly headers?: Record<string, string> }
  | { readonly handle: string; readonly method?: string; readonly path?: string };

/** Each step of a request; `null` for one that is not reached. */
export interface Explanation {
  readonly tenant: { readonly id: string; readonly because: string } | null;
  readonly path: { readonly territory: string; readonly because: string } | null;
  readonly cookie: { readonly verdict: string; readonly because: string } | null;
  readonly session: JsonObject | null;
  readonly login: JsonObject | null;
  readonly origins: readonly JsonObject[];
  readonly choice: {
    readonly origin: string;
    readonly because: string;
    readonly takeover: boolean;
  } | null;
  readonly outcome: {
    readonly does: "forward" | "answer";
    readonly status: number | null;
    readonly problem: string | null;
    readonly because: string;
  };
}

export type Level = "info" | "warn" | "error";

export interface LogPage {
  readonly lines: readonly (JsonObject & { seq: number; level: Level; event: string })[];
  /** `after` of the next page. */
  readonly next: number;
  readonly dropped: number;
}

/** Figures, as the console shows them. */
export interface Overview {
  readonly at: number;
  readonly isolates: number;
  readonly freshness_ms: number | null;
  readonly scope: "deployment" | "isolate";
  readonly totals: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  readonly latency: JsonObject;
  readonly tenants: readonly JsonObject[];
  readonly origins: readonly JsonObject[];
  readonly busiest: readonly JsonObject[];
  readonly history: readonly JsonObject[];
}

/** What the token opens. */
export interface WhoAmI {
  readonly scope: "deployment" | "tenant";
  readonly tenant: string | null;
  readonly documents: boolean;
  readonly expires: number | null;
  readonly idle_seconds: number;
  readonly version: string;
}

/** A tenant's document, with its version. */
export interface StoredDocument {
  readonly document: JsonObject;
  /** For `ifMatch`. */
  readonly etag: string;
}

export interface Fault {
  readonly path: string;
  readonly problem: string;
}

/** A version of a document. */
export interface DocumentVersion {
  readonly version: string;
  readonly at: number;
  readonly current: boolean;
}
