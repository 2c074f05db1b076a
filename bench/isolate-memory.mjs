/** Measures the memory of a Worker's isolate with V8's inspector: its heap after a collection, and its wasm. */

const MIB = 1024 * 1024;

/**
 * @param {string} inspector host and port
 * @returns {Promise<{ heap: number, wasm: number }>} in MiB
 */
export async function isolateMemory(inspector) {
  const socket = new WebSocket(`ws://${inspector}/main`);
  await new Promise((resolve, reject) => {
    socket.addEventListener("open", resolve);
    socket.addEventListener("error", reject);
  });
  const { ask, context } = conversation(socket);
  await ask("Runtime.enable");
  const prototype = await ask("Runtime.evaluate", {
    expression: "WebAssembly.Memory.prototype",
    contextId: await context,
  });
  // This collects garbage at once; an explicit request would wait until the isolate has work.
  const { objects } = await ask("Runtime.queryObjects", {
    prototypeObjectId: prototype.result.objectId,
  });
  const { usedSize, embedderHeapUsedSize, backingStorageSize } = await ask("Runtime.getHeapUsage");
  const sum = await ask("Runtime.callFunctionOn", {
    objectId: objects.objectId,
    functionDeclaration:
      "function () { return this.reduce((sum, { buffer }) => sum + buffer.byteLength, 0); }",
    returnByValue: true,
  });
  socket.close();
  const heap = usedSize + embedderHeapUsedSize + backingStorageSize;
  return { heap: heap / MIB, wasm: sum.result.value / MIB };
}

/**
 * Connects to the inspector; returns a function that sends requests, and the Worker's context.
 * @param {WebSocket} socket
 */
function conversation(socket) {
  /** @type {Map<number, PromiseWithResolvers<any>>} */
  const asked = new Map();
  /** @type {PromiseWithResolvers<number>} */
  const context = Promise.withResolvers();
  socket.addEventListener("message", ({ data }) => {
    const { id, method, params, result, error } = JSON.parse(data);
    if (method === "Runtime.executionContextCreated") context.resolve(params.context.id);
    if (error) asked.get(id)?.reject(new Error(error.message));
    else asked.get(id)?.resolve(result);
  });
  socket.addEventListener("close", () => {
    for (const { reject } of asked.values()) reject(new Error("the inspector closed"));
  });
  /**
   * @param {string} method
   * @param {object} [params]
   * @returns {Promise<any>}
   */
  const ask = (method, params = {}) => {
    const answer = Promise.withResolvers();
    const id = asked.size + 1;
    asked.set(id, answer);
    socket.send(JSON.stringify({ id, method, params }));
    return answer.promise;
  };
  return { ask, context: context.promise };
}
