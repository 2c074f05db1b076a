/**
 * Creates and parses session cookies independently of the Worker's own code, also invalid
 * ones.
 */
import { createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";

const SIGNED_BYTES = 52;

/**
 * @typedef {object} Fields
 * @property {Buffer} [id]
 * @property {Buffer} [handle] by default that of a session that began with this id
 * @property {number} [created] Unix seconds
 * @property {number} [issued] Unix seconds
 * @property {number} [leastVersion]
 * @property {string} [tenant]
 * @property {string} key base64url
 */

/**
 * @param {Fields} fields
 * @returns {string} the cookie's value
 */
export function mint({
  id = randomBytes(16),
  handle,
  created,
  issued,
  leastVersion = 0,
  tenant = "default",
  key,
}) {
  const now = Math.floor(Date.now() / 1000);
  const keyBytes = Buffer.from(key, "base64url");
  const signed = Buffer.alloc(SIGNED_BYTES);
  signed.writeUInt8(2, 0);
  createHash("sha256")
    .update("vestibule/v1/key-id")
    .update(keyBytes)
    .digest()
    .copy(signed, 1, 0, 4);
  const hash = createHash("sha256").update(`v1/handle/${tenant}/`).update(id).digest();
  (handle ?? hash).copy(signed, 5, 0, 16);
  id.copy(signed, 21);
  signed.writeUInt32BE((created ?? now) % 2 ** 32, 37);
  signed.writeUInt32BE((issued ?? now) % 2 ** 32, 41);
  signed.writeUIntBE(leastVersion, 46, 6);
  const mac = Buffer.from(hkdfSync("sha256", keyBytes, "", `vestibule/v1/cookie/${tenant}`, 32));
  return Buffer.concat([signed, createHmac("sha256", mac).update(signed).digest()]).toString(
    "base64url",
  );
}

/**
 * Parses a cookie.
 * @param {string} value
 */
export function read(value) {
  const bytes = Buffer.from(value, "base64url");
  return {
    handle: bytes.subarray(5, 21),
    id: bytes.subarray(21, 37),
    created: bytes.readUInt32BE(37),
    issued: bytes.readUInt32BE(41),
    leastVersion: bytes.readUIntBE(46, 6),
  };
}
