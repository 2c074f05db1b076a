/** KV as a Worker in memory: the same storage, at the same cost, for every variant. */
/** @type {Map<string, ArrayBuffer>} */
const stored = new Map();

export default {
  /** @param {Request} request */
  async fetch(request) {
    const key = decodeURIComponent(new URL(request.url).pathname.slice(1));
    if (request.method === "PUT") {
      stored.set(key, await request.arrayBuffer());
      return new Response("");
    }
    // Nobody here revokes anything, so a list of names has none.
    if (key === "") return Response.json({ keys: [], list_complete: true });
    const value = stored.get(key);
    return value ? new Response(value) : new Response("", { status: 404 });
  },
};
