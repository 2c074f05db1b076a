/** A pump of our own, for bodies whose pauses matter: JavaScript runs for every part. */

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
  let isWaiting = true;
  let isLineBegun = false;
  let since = Date.now();
  let spoke = since;
  /** @type {unknown} */
  let reason;
  /** @param {unknown} why */
  const giveUp = (why) => {
    reason ??= why;
    // Ends the read that is waited for.
    reader.cancel(why).catch(() => {});
  };
  const look = () => {
    const now = Date.now();
    if (!isWaiting) return;
    if (idle > 0 && now - since >= idle) giveUp("idle");
    // Within a line a comment would become part of it.
    else if (keepAlive > 0 && now - spoke >= keepAlive && !isLineBegun) {
      spoke = now;
      writer.write(COMMENT).catch(giveUp);
    }
  };
  const shortest = Math.min(keepAlive || idle, idle || keepAlive);
  const timer = setInterval(look, Math.max(shortest / 4, 10));
  signal?.addEventListener("abort", () => giveUp(signal.reason));
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (reason !== undefined) throw reason;
      if (done) break;
      isWaiting = false;
      isLineBegun = value.at(-1) !== LINE_FEED;
      await writer.write(value);
      since = Date.now();
      spoke = since;
      isWaiting = true;
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
