/**
 * How small sessions are when they are stored: what really lies in the namespace, beside other ways to
 * write the same session down.
 */
import { gzipSync } from "node:zlib";
import { cbor } from "./cbor.mjs";
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
