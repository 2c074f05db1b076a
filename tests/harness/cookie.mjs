/**
 * Creates and parses session cookies independently of the Worker's own code, also invalid
 * ones.
 */
import { createHash, createHmac, hkdfSync, randomBytes } from "node:crypto";

/**
 * @typedef {object} Fields
 * @property {Buffer} [id]
 * @property {Buffer} [handle] by default that of a session that began with this id
 * @property {number} [created] Unix seconds
 * @property {number} [issued] Unix seconds
 * @property {number} [leastVersion]
 * @property {string} [tenant]
 * @property {string} key base64url
 * @property {{ epoch: number, key: string }} [list] the number of the key list, and the key in it that vouches for
 *   `key`: format 3
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
  list,
}) {
  const now = Math.floor(Date.now() / 1000);
  const name = keyId(key);
  const hash = createHash("sha256")
    .update(`v1/handle/${tenant}/`)
    .update(id)
    .digest()
    .subarray(0, 16);
  const signed = Buffer.concat([
    Buffer.from([list ? 3 : 2]),
    name,
    list ? voucher(name, tenant, list) : Buffer.alloc(0),
    handle ?? hash,
    id,
    number(4, (created ?? now) % 2 ** 32),
    number(4, (issued ?? now) % 2 ** 32),
    Buffer.alloc(list ? 0 : 1),
    number(6, leastVersion),
  ]);
  return Buffer.concat([signed, mac(key, tenant, signed)]).toString("base64url");
}

/** @param {string} key */
function keyId(key) {
  const bytes = Buffer.from(key, "base64url");
  return createHash("sha256").update("vestibule/v1/key-id").update(bytes).digest().subarray(0, 4);
}

/** @param {Buffer} name @param {string} tenant @param {{ epoch: number, key: string }} list */
function voucher(name, tenant, { epoch, key }) {
  const text = Buffer.concat([Buffer.from("vestibule/v1/voucher"), name, number(4, epoch)]);
  return Buffer.concat([Buffer.from([epoch % 256]), mac(key, tenant, text).subarray(0, 3)]);
}

/** @param {string} key @param {string} tenant @param {Buffer} text */
function mac(key, tenant, text) {
  const bytes = Buffer.from(key, "base64url");
  const own = hkdfSync("sha256", bytes, "", `vestibule/v1/cookie/${tenant}`, 32);
  return createHmac("sha256", Buffer.from(own)).update(text).digest();
}

/** @param {number} length @param {number} value */
function number(length, value) {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

/**
 * Parses a cookie.
 * @param {string} value
 */
export function read(value) {
  const bytes = Buffer.from(value, "base64url");
  // Format 3 has a voucher of four bytes after the key id.
  const at = bytes[0] === 3 ? 9 : 5;
  return {
    handle: bytes.subarray(at, at + 16),
    id: bytes.subarray(at + 16, at + 32),
    created: bytes.readUInt32BE(at + 32),
    issued: bytes.readUInt32BE(at + 36),
    leastVersion: bytes.readUIntBE(at === 9 ? 49 : 46, 6),
  };
}
