/** Pumps bodies that have idle limits: JavaScript runs for every chunk. */

/** A comment of an event stream (HTML Standard, section 9.2.6), which clients ignore. */
const COMMENT = new TextEncoder().encode(":\n");

const LINE_FEED = 10;

/**
 * Copies the source to the sink until it ends, then closes the sink. Each chunk is read after the sink took the
 * previous one: a slow client slows down the origin, and that does not count as the origin's silence.
 *
 * Rejects with `"idle"` after too long a silence, with the error of the source or the sink, or with the
 * signal's reason; the sink stays open then.
 * @param {ReadableStream<Uint8Array>} source
 * @param {WritableStream<Uint8Array>} sink
 * @param {{ keepAlive: number, idle: number, signal?: AbortSignal }} limits in milliseconds; 0 for none
 */
export async function pump(source, sink, { keepAlive, idle, signal }) {
  const reader = source.getReader();
  const writer = sink.getWriter();
  /** Time at which the sink took the last chunk; infinite while one is being written. */
  let partAt = Date.now();
  /** Time since which a comment could be written: within a line it would become part of it. */
  let silentAt = partAt;
  /** @type {unknown} */
  let reason;
  const giveUp = (/** @type {unknown} */ why) => {
    reason ??= why;
    // Ends the pending read.
    reader.cancel(why).catch(() => {});
  };
  const check = () => {
    const now = Date.now();
    if (idle > 0 && now - partAt >= idle) giveUp("idle");
    else if (keepAlive > 0 && now - silentAt >= keepAlive) {
      silentAt = now;
      writer.write(COMMENT).catch(giveUp);
    }
  };
  const shortest = Math.min(keepAlive || idle, idle || keepAlive);
  const timer = setInterval(check, Math.max(shortest / 4, 10));
  signal?.addEventListener("abort", () => giveUp(signal.reason));
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (reason !== undefined) throw reason;
      if (done) break;
      partAt = Number.POSITIVE_INFINITY;
      silentAt = Number.POSITIVE_INFINITY;
      await writer.write(value);
      partAt = Date.now();
      if (value.at(-1) === LINE_FEED) silentAt = partAt;
    }
    await writer.close();
  } catch (error) {
    giveUp(error);
    // A cancelled read fails with another error.
    throw reason;
  } finally {
    clearInterval(timer);
    writer.releaseLock();
  }
}
