/** Encodes JSON values as CBOR (RFC 8949) in the shortest form; keys stay texts. */

const UNSIGNED = 0;
const NEGATIVE = 1;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const DOUBLE = 0xfb;

/**
 * @param {unknown} value
 * @returns {Buffer}
 */
export function cbor(value) {
  if (value === null) return Buffer.from([NULL]);
  if (typeof value === "boolean") return Buffer.from([value ? TRUE : FALSE]);
  if (typeof value === "number") return number(value);
  if (typeof value === "string") {
    const bytes = Buffer.from(value);
    return Buffer.concat([head(TEXT, bytes.length), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([head(ARRAY, value.length), ...value.map(cbor)]);
  const entries = Object.entries(/** @type {object} */ (value));
  return Buffer.concat([head(MAP, entries.length), ...entries.flat().map(cbor)]);
}

/** @param {number} value */
function number(value) {
  if (Number.isSafeInteger(value)) {
    return value < 0 ? head(NEGATIVE, -1 - value) : head(UNSIGNED, value);
  }
  const bytes = Buffer.alloc(9, DOUBLE);
  bytes.writeDoubleBE(value, 1);
  return bytes;
}

/**
 * Encodes a major type and a number in as few bytes as possible.
 * @param {number} major
 * @param {number} count
 */
function head(major, count) {
  const type = major << 5;
  if (count < 24) return Buffer.from([type | count]);
  if (count < 2 ** 8) return Buffer.from([type | 24, count]);
  const bytes = Buffer.alloc(count < 2 ** 16 ? 3 : count < 2 ** 32 ? 5 : 9);
  bytes[0] = type | { 3: 25, 5: 26, 9: 27 }[/** @type {3} */ (bytes.length)];
  if (bytes.length === 9) bytes.writeBigUInt64BE(BigInt(count), 1);
  else bytes.writeUIntBE(count, 1, bytes.length - 1);
  return bytes;
}
