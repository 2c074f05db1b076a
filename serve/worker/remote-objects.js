/**
 * Calls Durable Objects of another machine by HTTP, and answers such calls.
 *
 * A call is `POST /BINDING` with the object's name and command as JSON. The answer is bytes, or the error as JSON.
 */

/** Bindings of the objects. */
const BINDINGS = [
  "SESSION_OBJECTS",
  "DIRECTORY_OBJECTS",
  "POOL_OBJECTS",
  "ATTEMPT_OBJECTS",
  "TELEMETRY_OBJECTS",
];

/** Status of an answer with an object's error. */
const FAILED = 500;

/** Stands in for the platform's class: `worker` compares the class's name. */
class DurableObjectNamespace {
  #url;
  #token;

  /** @param {string} url of the class's objects @param {string} token */
  constructor(url, token) {
    this.#url = url;
    this.#token = token;
  }

  /** Returns a stub. @param {string} name */
  getByName(name) {
    return {
      call: (/** @type {string} */ _, /** @type {string} */ command) => this.#call(name, command),
    };
  }

  /** @param {string} name @param {string} command */
  async #call(name, command) {
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ name, command }),
    });
    if (response.status === 200) return new Uint8Array(await response.arrayBuffer());
    const text = await response.text();
    if (response.status !== FAILED)
      throw new Error(`the machine with the objects answered ${response.status}: ${text}`);
    const { message, overloaded } = JSON.parse(text);
    throw Object.assign(new Error(message), { overloaded });
  }
}

/**
 * Returns bindings that call objects elsewhere.
 * @param {string} url
 * @param {string} token
 */
export function remoteObjects(url, token) {
  const base = url.replace(/\/$/, "");
  return Object.fromEntries(
    BINDINGS.map((name) => [name, new DurableObjectNamespace(`${base}/${name}`, token)]),
  );
}

/**
 * Answers a call to an object here.
 * @param {Request} request
 * @param {Record<string, any>} env
 */
export async function answerCall(request, env) {
  if (!isAuthorized(request.headers.get("authorization"), env.OBJECTS_TOKEN))
    return new Response("OBJECTS_TOKEN is another one here\n", { status: 401 });
  const binding = new URL(request.url).pathname.slice(1);
  if (request.method !== "POST" || !BINDINGS.includes(binding))
    return new Response("there are no such objects\n", { status: 404 });
  const { name, command } = await request.json();
  try {
    return new Response(await env[binding].getByName(name).call(name, command));
  } catch (error) {
    const { message, overloaded } = /** @type {Error & { overloaded?: boolean }} */ (error);
    return Response.json({ message, overloaded: overloaded === true }, { status: FAILED });
  }
}

/** Compares in constant time. @param {string | null} given @param {string} token */
function isAuthorized(given, token) {
  const bytes = (/** @type {string} */ text) => new TextEncoder().encode(text);
  const [ours, theirs] = [bytes(`Bearer ${token}`), bytes(given ?? "")];
  const { subtle } = /** @type {any} */ (crypto);
  return ours.length === theirs.length && subtle.timingSafeEqual(ours, theirs);
}
