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
  let isReading = true;
  let isLineBegun = false;
  /** When the last part was taken, and when something was written last. */
  let partAt = Date.now();
  let writtenAt = partAt;
  /** @type {unknown} */
  let reason;
  const giveUp = (/** @type {unknown} */ why) => {
    reason ??= why;
    // Ends the read that is waited for.
    reader.cancel(why).catch(() => {});
  };
  const check = () => {
    const now = Date.now();
    if (!isReading) return;
    if (idle > 0 && now - partAt >= idle) giveUp("idle");
    // Within a line a comment would become part of it.
    else if (keepAlive > 0 && now - writtenAt >= keepAlive && !isLineBegun) {
      writtenAt = now;
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
      isReading = false;
      isLineBegun = value.at(-1) !== LINE_FEED;
      await writer.write(value);
      partAt = Date.now();
      writtenAt = partAt;
      isReading = true;
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
