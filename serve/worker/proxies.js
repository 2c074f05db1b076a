/**
 * Decides which proxies may speak for a client, and states the client's address and scheme as Cloudflare would.
 *
 * Only the address of the connection's other end is certain. `X-Forwarded-For` and `X-Forwarded-Proto` count if that
 * is a trusted proxy.
 */

/** Maximum number of addresses remembered as trusted or not. */
const MAX_KNOWN = 1_000;

/** Headers that only Cloudflare sets. Vestibule believes them, so no client may send them. */
const PLATFORM_HEADERS = ["CF-Connecting-IP", "CF-IPCountry"];

export class Proxies {
  #networks;
  /** @type {Map<string, boolean>} */
  #known = new Map();

  /** @param {string} list addresses and networks, separated by commas */
  constructor(list) {
    this.#networks = list.split(",").filter(Boolean).map(networkOf);
  }

  /**
   * Returns the request with the headers that Vestibule believes.
   * @param {Request & { cf?: { clientIp?: string } }} request
   */
  vouch(request) {
    const peer = withoutPort(request.cf?.clientIp ?? "");
    const isTrusted = this.#isTrusted(peer);
    const isHttps = request.url.startsWith("https:");
    // Without a trusted proxy there was no TLS, whatever a header says.
    const hasWrongScheme = !request.url.startsWith("http:") && !(isHttps && isTrusted);
    const sound = hasWrongScheme
      ? new Request(request.url.replace(/^[^:]*:/, "http:"), request)
      : new Request(request);
    for (const name of PLATFORM_HEADERS) sound.headers.delete(name);
    const forwarded = isTrusted ? request.headers.get("X-Forwarded-For") : null;
    sound.headers.set("CF-Connecting-IP", this.#client(forwarded, peer));
    return sound;
  }

  /**
   * Returns the last address that no trusted proxy has. Those before it are the client's own claims.
   * @param {string | null} forwarded
   * @param {string} peer
   */
  #client(forwarded, peer) {
    let client = peer;
    for (const part of (forwarded ?? "").split(",").reverse()) {
      const address = withoutPort(part.trim());
      if (groupsOf(address) === null) break;
      client = address;
      if (!this.#isTrusted(address)) break;
    }
    return client;
  }

  /** @param {string} address */
  #isTrusted(address) {
    const known = this.#known.get(address);
    if (known !== undefined) return known;
    const groups = groupsOf(address);
    const isTrusted = groups !== null && this.#networks.some((network) => isIn(groups, network));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(address, isTrusted);
    return isTrusted;
  }
}

/**
 * Parses an address or network, such as 10.0.0.0/8.
 * @param {string} text
 * @returns {{ groups: number[], bits: number }}
 */
export function networkOf(text) {
  const [, address = "", size] = text.trim().match(/^([^/]+)(?:\/(\d{1,3}))?$/) ?? [];
  const groups = groupsOf(address);
  const width = address.includes(":") ? 128 : 32;
  const bits = size === undefined ? width : Number(size);
  if (groups === null || bits > width) throw new Error(`${text} is no address or network`);
  return { groups, bits: bits + 128 - width };
}

/**
 * Returns the eight groups of an address; an IPv4 address as IPv6 maps it (RFC 4291 section 2.5.5.2).
 * @param {string} address
 * @returns {number[] | null} null if it is none
 */
function groupsOf(address) {
  if (address.length > 45) return null;
  const four = address.match(/^(.*:)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/);
  if (four) {
    const [, before = "::ffff:", ...parts] = four;
    const [a, b, c, d] = parts.map(Number);
    if ([a, b, c, d].some((part) => part > 255)) return null;
    return groupsOf(`${before}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`);
  }
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = [halves[0], halves[1] ?? ""].map((half) => half.split(":").filter(Boolean));
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 2 ? zeros < 1 : zeros !== 0) return null;
  const groups = [...head, ...new Array(zeros).fill("0"), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return null;
  return groups.map((group) => Number.parseInt(group, 16));
}

/** @param {number[]} groups @param {{ groups: number[], bits: number }} network */
function isIn(groups, network) {
  return groups.every((group, at) => {
    const bits = Math.min(16, Math.max(0, network.bits - at * 16));
    return (group ^ network.groups[at]) >> (16 - bits) === 0;
  });
}

/** Removes brackets, a port, and the prefix of an IPv4 address on a socket for both versions. @param {string} text */
function withoutPort(text) {
  const [, bracketed] = text.match(/^\[(.*)\](?::\d+)?$/) ?? [];
  const address = bracketed ?? text.replace(/^([^:]*):\d+$/, "$1");
  return address.replace(/^::ffff:(?=[\d.]+$)/i, "");
}
