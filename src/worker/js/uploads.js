/** Bodies on their way to an origin, followed only so far that it shows whose fault it is when one breaks off. */

/**
 * A body in chunks to be sent, and whether the client spoils it: by breaking off, or by what is no valid HTTP. Sent as
 * it is, that looks just like an origin that dies. The pipe is the runtime's own: no JavaScript runs per part. It costs
 * a fifth of a millisecond all the same, so bodies of known length, which can break off but not be garbled, go without.
 * @param {ReadableStream<Uint8Array>} source
 * @param {ExecutionContext} context
 * @param {() => void} spoilt called if the client does
 */
export function upload(source, context, spoilt) {
  const { readable, writable } = new IdentityTransformStream();
  // An origin that dies is noticed by its request, which ends before the pipe does; nobody else breaks the pipe.
  const piped = source.pipeTo(writable, { preventAbort: true }).catch(() => {
    spoilt();
    return writable.abort("the body broke off").catch(() => {});
  });
  // An origin may begin its answer before it has everything.
  context.waitUntil(piped);
  return readable;
}
