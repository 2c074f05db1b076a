/** Reads a response's bytes without decoding, and whether it was cut off. */
import { once } from "node:events";
import { request as httpRequest } from "node:http";

/**
 * @param {number} port
 * @returns {Promise<{ status: number, body: Buffer, isComplete: boolean }>}
 */
export async function wholeAnswer(port) {
  const request = httpRequest({ host: "127.0.0.1", port, agent: false }).end();
  const [response] = await once(request, "response");
  const parts = [];
  try {
    for await (const part of response) parts.push(part);
  } catch {
    // The connection was cut.
  }
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(parts),
    isComplete: response.complete,
  };
}
