/** Declares types that modules of the data plane share, and signatures of their functions. */
import type { RequestTrace } from "./telemetry/request_trace.js";

/** Idle limits in milliseconds, 0 for none: see `Pauses` in `tenant.rs`. */
export interface Pauses {
  /** Silence after which an event stream gets a comment. */
  keepAlive: number;
  /** Silence of the origin after which a response, an event stream or a WebSocket ends. */
  answer: number;
  stream: number;
  socket: number;
}

/** Checks whether the session of a stream or WebSocket still lives: returns when to check again, or why it is over. */
export type Revalidate = () => Promise<{ afterMs: number } | { over: string }>;

/** Options for following an open response. */
export interface FollowOptions {
  /** Absent if the response may outlive its session. */
  revalidate: Revalidate | undefined;
  /** Counts a stream or WebSocket as open until the returned function is called. */
  countOpen: () => () => void;
  pauses: Pauses;
}

/** What an origin has in flight, and how fast it responds. */
export interface OriginActivity {
  underWay: Set<Attempt>;
  /** Moving average of the time to the first byte, in milliseconds. */
  firstByteMs: number;
  /** Whether its last response was a gateway error, or missing. */
  isFaulty: boolean;
  /** Number of WebSockets it has accepted since the last report to the core. */
  opened: number;
}

/** A request to an origin, or a stream or WebSocket that stays open. */
export interface Attempt {
  origin: OriginActivity;
  /** Latest end, in milliseconds since 1970. */
  until: number;
}

/** Durations of a request in milliseconds, negative where there was none. */
export interface Durations {
  /** In the gateway. */
  edgeMs: number;
  /** At all origins. */
  originMs: number;
  /** At the origin that answered. */
  answerMs: number;
}

/** Something a request waited for. Times are in milliseconds since 1970. */
export interface TraceStage {
  name: string;
  begun: number;
  ended: number;
  result: string;
  /** What it is part of; empty if that is only the request. */
  parent: string;
}

/** Adds a stage that has ended to a request's trace. */
export type Passed = (name: string, begun: number, result: string, parent: string) => void;

/** Headers of a request, in the order in which the runtime gives them. */
export type HeaderList = [string, string][];

/** Kind of an origin's failure: see `admitAgain` in `worker/steps.rs`. */
export type Failure = "lost" | "cut" | "spoilt" | "unsent" | "timed-out";

/** A decision that may be cached. */
export interface Decision {
  /** Recorded fields of the request: see `RequestLabels` in `telemetry/labels.rs`. */
  requestLabels: { flags: string; labels: string; members: string };
  /** End of its validity for equal requests, in milliseconds since 1970; 0 if for this one alone. */
  until: number;
}

/** A forwarding decision: see `FORWARD_FIELDS` in `worker/protocol.rs`. */
export interface ForwardDecision extends Decision {
  flags: string;
  url: string;
  /** Deadline for the origin's response headers, in milliseconds. */
  firstByteMs: number;
  /** Idle limits as text: see `readPauses`. */
  pauses: string;
  /** Tenant and origin. */
  place: string;
  /** Input for handling the response. */
  responseContext: string;
  /** Suffix for an Engine.IO `sid`. */
  sidSuffix: string;
  /** One character per client header: `+` if it passes. */
  kept: string;
  /** The trace's id. */
  trace: string;
  /** Seed of its trace as hex, if known here. */
  seed: string;
  /** Tenant and handle; empty for a new session. */
  session: string;
  /** All headers of the request to the origin. */
  headers: Record<string, string> | Headers;
}

/** A response decision: see `RESPONSE_FIELDS` in `worker/protocol.rs`. */
export interface ResponseDecision extends Decision {
  status: number;
  headers: HeaderList | Record<string, string>;
  body: string;
}

/** A request as the decision cache sees it: with its headers and its time. */
export interface Received {
  request: Request;
  headers: HeaderList;
  trace: { begun: number };
}

/** A cached decision, with the request it was made on. */
export interface CacheEntry<D extends Decision, Prepared> {
  decision: D;
  url: string;
  /** The client's headers, as of the last equal request. */
  headers: HeaderList;
  /** Common parts of all equal requests, from the second one on. */
  prepared: Prepared | undefined;
}

export interface PreparedForward {
  /** Scheme and authority. */
  site: string;
  /** Prefix of the origin's URLs. */
  base: string;
  /** Headers for the origin, as of the last equal request. */
  headers: Headers;
  /** Text before and after the ids of the trace. */
  members: [string, string];
  responseContext: [string, string];
}

export interface PreparedResponse {
  members: [string, string];
  /** Text around the trace's id. */
  body: string[];
}

/** Continues with a value, now or once its promise resolves. */
export type After = <Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next | Promise<Next>,
) => Next | Promise<Next>;

/** The part of a context that driving a decision needs: see `context.js`. */
export interface Driven {
  seed: string;
  isToBlame: boolean;
}

/** Makes a decision: `ask` gets the seed of the step. */
export type Decide = (context: Driven, ask: (seed: string) => string) => string | Promise<string>;

/** Drives a decision that was made in this turn; `again` makes it again. */
export type Drive = (decision: string, context: Driven, again: () => string) => Promise<string>;

/** Makes a call safe; `instead` returns the result of a call that traps. */
export type Entering = <Args extends unknown[], Result>(
  act: (...args: Args) => Result,
  instead?: () => Result,
) => (...args: Args) => Result;

/** Waits for a promise of the instance; `begin` may be repeated. */
export type Outlive = <T>(context: { isToBlame: boolean }, begin: () => Promise<T>) => Promise<T>;
export type Survive = <T>(begin: () => Promise<T>) => Promise<T>;

/** Compares the headers of two requests. */
export type IsAlike = (headers: HeaderList, before: HeaderList, ignored: Set<string>) => boolean;

/** Text around the ids of a trace, and the trace's id. */
export type SplitMembers = { around: [string, string]; id: string };

/** Follows an event stream; `isReadable` says whether its bytes are readable events. */
export type FollowStream = (
  source: ReadableStream,
  sink: WritableStream,
  options: FollowOptions,
  isReadable: boolean,
) => Promise<void>;
export type FollowWebSocket = (
  response: Response,
  origin: WebSocket,
  options: FollowOptions,
) => Response;

/** Records a request; `session` is tenant and handle, empty for a new session. */
export type RecordRequest = (
  trace: RequestTrace,
  response: Response,
  session: string,
  env: Env,
) => Response;
export type CountRequest = (labels: string, durations: Durations, session: string) => boolean;

/** Begins an attempt at a place (tenant and origin) that ends by `until` in milliseconds since 1970. */
export type Begin = (place: string, until?: number) => Attempt;

/** Buffers a log line. */
export type WriteLater = (line: string, isOfVisitors: boolean, isImportant: boolean) => void;
