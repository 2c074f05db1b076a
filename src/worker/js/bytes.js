/** Streams as bytes. */

/**
 * Everything that comes, or nothing if it is more than that.
 * @param {ReadableStream<Uint8Array> | null | undefined} stream
 * @param {number} limit
 */
export async function bytesOf(stream, limit) {
  const chunks = [];
  let length = 0;
  for await (const chunk of stream ?? []) {
    length += chunk.length;
    if (length > limit) return undefined;
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
