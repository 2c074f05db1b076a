/**
 * Event streams followed to their end.
 *
 * A stream the origin breaks off looks, handed on, like one that ended well. Followed, it ends with
 * an `event: error`, so that the page knows the answer is incomplete. The pump between the two
 * streams is the runtime's own: no JavaScript runs per event.
 */

const LOST = 'event: error\ndata: {"code":"origin_lost"}\n\n';

/**
 * The answer, followed if it is an event stream.
 * @param {Response} response
 */
export function watched(response) {
  const type = response.headers.get("content-type") ?? "";
  if (!response.body || !type.startsWith("text/event-stream")) return response;
  const { readable, writable } = new IdentityTransformStream();
  follow(response.body, writable);
  return new Response(readable, response);
}

/**
 * @param {ReadableStream} source
 * @param {WritableStream} sink
 */
async function follow(source, sink) {
  try {
    await source.pipeTo(sink, { preventAbort: true });
  } catch {
    // Either side may have gone; writing to a client that left fails, and that is fine.
    const writer = sink.getWriter();
    await writer
      .write(new TextEncoder().encode(LOST))
      .then(() => writer.close())
      .catch(() => {});
    console.warn(JSON.stringify({ level: "warn", event: "stream_broken" }));
  }
}
