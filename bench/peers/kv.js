/**
 * KV as a Worker in memory: the same storage, at the same cost, for every variant. It counts its
 * operations, and delays writes by PUT_MS.
 */
/** @type {Map<string, ArrayBuffer>} */
const stored = new Map();

/** Key from which the counts are read; reading resets them. No variant uses such a key. */
const COUNTS = "bench-counts";

const asked = { reads: 0, writes: 0, deletes: 0, lists: 0 };

export default {
  /**
   * @param {Request} request
   * @param {{ PUT_MS: string }} env
   */
  async fetch(request, env) {
    const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === "PUT") {
      asked.writes += 1;
      const value = await request.arrayBuffer();
      if (env.PUT_MS !== "0") await scheduler.wait(Number(env.PUT_MS));
      stored.set(key, value);
      return new Response("");
    }
    if (request.method === "DELETE") {
      asked.deletes += 1;
      stored.delete(key);
      return new Response("");
    }
    if (key === COUNTS) return Response.json(taken());
    // The benchmark revokes nothing, so a list of names is empty.
    if (key === "") {
      asked.lists += 1;
      return Response.json({ keys: [], list_complete: true });
    }
    asked.reads += 1;
    const value = stored.get(key);
    return value ? new Response(value) : new Response("", { status: 404 });
  },
};

function taken() {
  const bytes = [...stored.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  const counts = { ...asked, keys: stored.size, bytes };
  Object.assign(asked, { reads: 0, writes: 0, deletes: 0, lists: 0 });
  return counts;
}
