/** The tables of the experiments, by name. */
import { aligned, markdown } from "./report.mjs";

/** @typedef {import("./recorded.mjs").Recorded} Recorded */
/** @typedef {"encodings"} Experiment */

/** @type {Record<Experiment, { head: string[], body: (recorded: Recorded) => string[][] }>} */
const TABLES = {
  encodings: {
    head: ["session, bytes", "JSON", "CBOR", "JSON, gzip", "stored, sealed", "of its JSON"],
    body: ({ encodings }) =>
      encodings.map(({ name, json, gzip, cbor, stored }) => [
        name,
        ...[json, cbor, gzip, stored].map(String),
        `${((stored / json) * 100).toFixed(1)} %`,
      ]),
  },
};

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
