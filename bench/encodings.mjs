/**
 * Measures the size of stored sessions: the real record in the namespace, and other encodings of the
 * same session. `node bench/encodings.mjs`.
 */
import { gzipSync } from "node:zlib";
import { cbor } from "./cbor.mjs";
import { experiment } from "./experiment.mjs";
import { picture } from "./picture.mjs";
import { keptRecords } from "./records.mjs";

/** @typedef {{ name: string, json: number, gzip: number, cbor: number, stored: number }} Encoded in bytes */

/** @returns {Promise<Encoded[]>} */
export async function encodings() {
  const kept = await keptRecords();
  return kept.map(({ name, stored, json }) => {
    const text = JSON.stringify(json);
    return {
      name,
      json: Buffer.byteLength(text),
      gzip: gzipSync(text, { level: 9 }).length,
      cbor: cbor(json).length,
      stored: stored.length,
    };
  });
}

/** @param {Encoded[]} table */
function drawn(table) {
  const panels = table.map(({ name, json, gzip, cbor, stored }) => {
    /** @type {[string, number][]} */
    const sizes = [
      ["JSON", json],
      ["CBOR", cbor],
      ["JSON, gzip", gzip],
      ["stored, sealed", stored],
    ];
    const bars = sizes.map(([label, value]) => {
      /** @type {import("./picture.mjs").Tone} */
      const tone = value === stored ? "ours" : "other";
      const part = `${((100 * value) / json).toFixed(0)} %`;
      return { label, value: value / json, text: `${value} bytes, ${part}`, tone };
    });
    return { title: name, bars, most: 1.5 };
  });
  return picture(
    "What a session takes in storage",
    "As a part of its JSON: shorter is better. What is stored is encrypted, the others are not.",
    panels,
  );
}

await experiment(
  {
    file: import.meta.filename,
    does: "Measures the size of stored sessions beside other encodings.",
    takes: "6 seconds",
  },
  async () => {
    const table = await encodings();
    return { name: "encodings", part: { encodings: table }, picture: drawn(table) };
  },
);
