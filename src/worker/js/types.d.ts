/** Shapes that modules of the data plane share, and signatures of their functions. */
import type { RequestTrace } from "./telemetry/request_trace.js";

/** Idle limits in milliseconds, 0 for none: see `Pauses` in `tenant.rs`. */
export interface Pauses {
  /** After so much silence an event stream gets a comment. */
  keepAlive: number;
  /** After so much silence of the origin an answer, an event stream or a WebSocket is ended. */
  answer: number;
  stream: number;
  socket: number;
}

/** Asks whether the session of a stream or WebSocket still lives: when to ask again, or why it is over. */
export type Revalidate = () => Promise<{ afterMs: number } | { over: string }>;

/** How a response is followed while it is open. */
export interface FollowOptions {
  /** Absent if the response may outlive its session. */
  revalidate: Revalidate | undefined;
  /** Counts a stream or WebSocket that opens, until what it returns is called. */
  countOpen: () => () => void;
  pauses: Pauses;
}

/** What an origin has under way, and how it answers. */
export interface OriginActivity {
  underWay: Set<Attempt>;
  /** Moving average of the time to the first byte, in milliseconds. */
  firstByteMs: number;
  /** Whether its last answer was a gateway error, or none came. */
  isFaulty: boolean;
  /** Number of WebSockets it has accepted. */
  opened: number;
}

/** A request to an origin, or a stream or WebSocket that stays open. */
export interface Attempt {
  origin: OriginActivity;
  /** When it is over at the latest, in milliseconds since 1970. */
  until: number;
}

/** Durations of a request in milliseconds, less than nothing for what there was not. */
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
}

/** Headers of a request, in the order in which the runtime gives them. */
export type HeaderList = [string, string][];

/** How an origin failed a request: see `admitAgain` in `worker/steps.rs`. */
export type Failure = "lost" | "cut" | "spoilt" | "unsent" | "timed-out";

/** A decision that may be cached. */
export interface Decision {
  /** What is recorded of the request: see `RequestLabels` in `telemetry/labels.rs`. */
  requestLabels: { flags: string; labels: string; members: string };
  /** Until when it holds for requests like this one, in milliseconds since 1970; 0 if for this one alone. */
  until: number;
}

/** A decision to forward: see `FORWARD_FIELDS` in `worker/protocol.rs`. */
export interface ForwardDecision extends Decision {
  flags: string;
  url: string;
  /** How long the origin may take for its response headers. */
  firstByteMs: number;
  /** How long pauses may be. */
  pauses: string;
  /** Tenant and origin. */
  place: string;
  /** What the response is handled with. */
  responseContext: string;
  /** What an Engine.IO `sid` is made longer by. */
  sidSuffix: string;
  /** Which of the client's headers pass: `+` for each that does. */
  kept: string;
  /** The trace's id. */
  trace: string;
  /** What its trace was begun with, as hex, if that is known here. */
  seed: string;
  /** Tenant and handle, if it is a session that came before. */
  session: string;
  /** All headers there are. */
  headers: Record<string, string> | Headers;
}

/** A response of our own: see `RESPONSE_FIELDS` in `worker/protocol.rs`. */
export interface ResponseDecision extends Decision {
  status: number;
  headers: HeaderList | Record<string, string>;
  body: string;
}

/** A request as decisions on it are cached: with its headers, and when it came. */
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
  /** What all equal requests have in common, once there is a second one. */
  prepared: Prepared | undefined;
}

export interface PreparedForward {
  /** Scheme and authority. */
  site: string;
  /** What the origin's URLs begin with. */
  base: string;
  /** All for the origin, as of the last equal request. */
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

/** Goes on with a value, now or once it is there. */
export type After = <Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next | Promise<Next>,
) => Next | Promise<Next>;

/** What is driven, as far as it concerns whoever drives it: see `context.js`. */
export interface Driven {
  seed: string;
  isToBlame: boolean;
}

/** Asks for a decision: `ask` is given what the step was begun with. */
export type Decide = (context: Driven, ask: (seed: string) => string) => string | Promise<string>;

/** Drives a decision that was asked for in this very turn; `again` asks for it again. */
export type Drive = (decision: string, context: Driven, again: () => string) => Promise<string>;

/** Makes a call safe; `instead` gives the result of one that traps. */
export type Entering = <Args extends unknown[], Result>(
  act: (...args: Args) => Result,
  instead?: () => Result,
) => (...args: Args) => Result;

/** Waits for the instance; `begin` may be repeated. */
export type Outlive = <T>(context: { isToBlame: boolean }, begin: () => Promise<T>) => Promise<T>;
export type Survive = <T>(begin: () => Promise<T>) => Promise<T>;

/** Compares the headers of two requests. */
export type IsAlike = (headers: HeaderList, before: HeaderList, ignored: Set<string>) => boolean;

/** Text around the ids of a trace, and the trace's id. */
export type SplitMembers = { around: [string, string]; id: string };

/** Follows what is open; `isReadable` is whether what flows is the events themselves. */
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

/** Records a request; `session` is tenant and handle, if it is a session that came before. */
export type RecordRequest = (
  trace: RequestTrace,
  response: Response,
  session: string,
  env: Env,
) => Response;
export type CountRequest = (labels: string, durations: Durations, session: string) => boolean;

/** Begins something at a place (tenant and origin), over by `until` in milliseconds since 1970. */
export type Begin = (place: string, until?: number) => Attempt;

/** Buffers a log line. */
export type WriteLater = (line: string, isOfVisitors: boolean, isImportant: boolean) => void;
