/**
 * A link between clients and a server with delay, little bandwidth and losses, as a TCP proxy that needs no rights.
 *
 * TCP sends lost packets again, so a program sees a loss as a pause that holds back everything behind it; a link that is
 * gone for longer, as a reset.
 */
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { listen } from "./ports.mjs";

/** Bytes of a packet. */
const SEGMENT = 1_400;

/** Time until TCP sends a lost packet again, in milliseconds: Linux's minimum. */
const RETRANSMISSION = 200;

/**
 * @typedef {object} Quality
 * @property {number} delayMs in each direction
 * @property {number} bytesPerSecond of each connection, in each direction
 * @property {number} loss the share of lost packets
 */

export class PoorLink {
  port = 0;
  /** Number of lost packets. */
  lost = 0;
  #quality;
  #to;
  /** State of the generator of losses. All connections share it, so their timing decides which packets are lost. */
  #seed = 1;
  /** Ends of open connections. @type {Set<import("node:net").Socket>} */
  #ends = new Set();
  #server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));

  /**
   * @param {number} to port of the server
   * @param {Quality} quality
   */
  constructor(to, quality) {
    this.#to = to;
    this.#quality = quality;
  }

  /**
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   * @param {number} to
   * @param {Quality} quality
   */
  static async start(t, to, quality) {
    const link = new PoorLink(to, quality);
    link.port = await listen(link.#server);
    t.after(async () => {
      link.cut();
      await new Promise((resolve) => link.#server.close(resolve));
    });
    return link;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resets every connection, like a phone that changes its network. */
  cut() {
    for (const end of this.#ends) end.resetAndDestroy();
  }

  /** @param {import("node:net").Socket} client */
  #join(client) {
    const server = connect({ port: this.#to, host: "127.0.0.1", allowHalfOpen: true });
    for (const [end, other] of [
      [client, server],
      [server, client],
    ]) {
      this.#ends.add(end);
      end.setNoDelay(true);
      end.on("error", () => {});
      end.on("close", () => {
        this.#ends.delete(end);
        other.resetAndDestroy();
      });
      this.#carry(end, other).catch(() => {});
    }
  }

  /**
   * Carries packets one way, in order.
   * @param {import("node:net").Socket} from
   * @param {import("node:net").Socket} to
   */
  async #carry(from, to) {
    const { delayMs, bytesPerSecond } = this.#quality;
    for await (const chunk of from) {
      for (let at = 0; at < chunk.length; at += SEGMENT) {
        const packet = chunk.subarray(at, at + SEGMENT);
        await pause((1000 * packet.length) / bytesPerSecond + this.#retransmission());
        // Timers of one length fire in their order.
        setTimeout(() => to.writable && to.write(packet), delayMs);
      }
    }
    setTimeout(() => to.end(), delayMs);
  }

  /** Returns the time that a loss costs the next packet. */
  #retransmission() {
    // Park and Miller's generator.
    this.#seed = (this.#seed * 48_271) % 2_147_483_647;
    if (this.#seed / 2_147_483_647 >= this.#quality.loss) return 0;
    this.lost += 1;
    return RETRANSMISSION;
  }
}
