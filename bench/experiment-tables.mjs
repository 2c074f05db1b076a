/** Formats the tables of the experiments, by name. */
import { aligned, markdown } from "./report.mjs";

/** @typedef {import("./recorded.mjs").Recorded} Recorded */
/** @typedef {"rolling" | "relogins" | "writes" | "coalescing" | "encodings" | "chainlit" | "soak"} Experiment */

/** @type {Record<Experiment, { head: string[], body: (recorded: Recorded) => string[][] }>} */
const TABLES = {
  rolling: {
    head: ["", "conversations", "lost", "requests failed", "average ms", "p99 ms"],
    body: ({ rolling }) =>
      rolling.table.map(({ phase, name, conversations, lost, failed, average, p99 }) => [
        `${phase}: ${name}`,
        String(conversations),
        `${lost.toFixed(1)} %`,
        `${failed.toFixed(2)} %`,
        average.toFixed(1),
        p99.toFixed(0),
      ]),
  },
  relogins: {
    head: [
      "",
      "messages",
      "had to sign in again",
      "users affected",
      "requests failed",
      "average ms",
      "p99 ms",
    ],
    body: ({ relogins }) =>
      relogins.table.map(({ phase, name, messages, thrownOut, users, failed, average, p99 }) => [
        `${phase}: ${name}`,
        String(messages),
        `${thrownOut.toFixed(1)} %`,
        `${users.toFixed(0)} %`,
        `${failed.toFixed(2)} %`,
        average.toFixed(0),
        p99.toFixed(0),
      ]),
  },
  writes: {
    head: ["", "kept before the answer", "average ms", "p99 ms", "changes/s", "KV writes a change"],
    body: ({ writes }) =>
      writes.table.map(({ name, kept, average, p99, perSecond, puts }) => [
        name,
        kept,
        average.toFixed(1),
        p99.toFixed(1),
        perSecond.toFixed(0),
        puts.toFixed(2),
      ]),
  },
  coalescing: {
    head: ["", "events/s", "CPU µs", "bytes", "segments", "median ms", "p99 ms", "memory MiB"],
    body: ({ coalescing }) =>
      coalescing.table.map(({ clients, name, ...row }) => [
        `${clients}: ${name}`,
        String(row.perSecond),
        row.cost.toFixed(1),
        String(row.bytes),
        row.segments.toFixed(2),
        String(row.median),
        String(row.p99),
        String(row.grown),
      ]),
  },
  encodings: {
    head: ["session, bytes", "JSON", "CBOR", "JSON, gzip", "stored, sealed", "of its JSON"],
    body: ({ encodings }) =>
      encodings.map(({ name, json, gzip, cbor, stored }) => [
        name,
        ...[json, cbor, gzip, stored].map(String),
        `${((stored / json) * 100).toFixed(1)} %`,
      ]),
  },
  chainlit: {
    head: ["", "conversations", "whole", "requests refused with 400", "with 403", "others"],
    body: ({ chainlit }) =>
      chainlit.table.map(({ name, conversations, whole, bad, forbidden, others }) => [
        name,
        ...[conversations, whole, bad, forbidden, others].map(String),
      ]),
  },
  soak: {
    head: ["", "in all", "failed", "in percent"],
    body: ({ soak: { row } }) => [
      share("requests", row.requests, row.failed),
      share("conversations, lost if a server forgot a message", row.conversations, row.lost),
      share("sessions, lost if a visitor got another", row.conversations, row.sessions),
      ["restarts of a server", String(row.restarts), "", ""],
      ["sockets cut, all connected again", String(row.cuts), "", ""],
      change("memory of workerd, MiB", row, ({ kilobytes }) => (kilobytes / 1024).toFixed(0)),
      change("sockets of workerd", row, ({ sockets }) => String(sockets)),
    ],
  },
};

/**
 * @param {string} what
 * @param {number} all
 * @param {number} failed
 */
function share(what, all, failed) {
  return [what, String(all), String(failed), `${((100 * failed) / all).toFixed(3)} %`];
}

/**
 * @param {string} what
 * @param {import("./soak.mjs").SoakRow} row
 * @param {(sample: import("./soak.mjs").Sample) => string} figure
 */
function change(what, { early, late }, figure) {
  return [`${what}: second quarter of the time, last`, `${figure(early)}, ${figure(late)}`, "", ""];
}

/**
 * @param {Experiment} name
 * @param {Recorded} recorded
 */
export function experimentInMarkdown(name, recorded) {
  const { head, body } = TABLES[name];
  return markdown(head, body(recorded));
}

/**
 * @param {Experiment} name
 * @param {Recorded} recorded
 */
export function experimentAsText(name, recorded) {
  const { head, body } = TABLES[name];
  return aligned(head, body(recorded));
}
