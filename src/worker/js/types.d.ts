/** Shapes that modules of the data plane share. */

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

/** Counts a stream or WebSocket while it is open. */
export interface StreamCounters {
  opened: () => void;
  closed: () => void;
}

/** How a response is followed while it is open. */
export interface FollowOptions {
  /** Absent if the response may outlive its session. */
  revalidate: Revalidate | undefined;
  counters: StreamCounters;
  pauses: Pauses;
  /** Keeps the request alive until this is settled, though its client may have gone. */
  waitUntil: (work: Promise<void>) => void;
}

/** What an origin has under way, and how it answers. */
export interface OriginActivity {
  underWay: Set<Attempt>;
  /** Moving average of the time to the first byte, in milliseconds. */
  firstByteMs: number;
  /** Whether its last answer was a gateway error, or none came. */
  isFaulty: boolean;
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
