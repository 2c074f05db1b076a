/** Pumps bodies whose pauses matter: JavaScript runs for every part. */

/** A comment (HTML Standard, section 9.2.6): a line that means nothing. */
const COMMENT = new TextEncoder().encode(":\n");

const LINE_FEED = 10;

/**
 * Writes what comes until it ends, and closes the sink then. A part is read when the one before it is
 * taken: who reads slowly slows down the origin, and that counts as no pause of the origin's.
 *
 * Rejects with `"idle"` when nothing has come for too long, with whatever broke the source or the sink,
 * and with the signal's reason; the sink stays open then.
 * @param {ReadableStream<Uint8Array>} source
 * @param {WritableStream<Uint8Array>} sink
 * @param {{ keepAlive: number, idle: number, signal?: AbortSignal }} limits in milliseconds; 0 for none
 */
export async function pump(source, sink, { keepAlive, idle, signal }) {
  const reader = source.getReader();
  const writer = sink.getWriter();
  /** When the last part was taken; not yet if it is being written. */
  let partAt = Date.now();
  /** Since when a comment could have been written. Within a line it would become part of it. */
  let silentAt = partAt;
  /** @type {unknown} */
  let reason;
  const giveUp = (/** @type {unknown} */ why) => {
    reason ??= why;
    // Ends the read that is waited for.
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
    // A read that is cancelled fails in its own words.
    throw reason;
  } finally {
    clearInterval(timer);
    writer.releaseLock();
  }
}
