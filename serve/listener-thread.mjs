/** The thread of a listening socket: see `listener.mjs`. */
import { createServer } from "node:http";
import { parentPort, workerData } from "node:worker_threads";

const { host, port, gate } = workerData;

const server = createServer((_, response) => {
  response.writeHead(503, {
    "content-type": "text/plain",
    "retry-after": "1",
    connection: "close",
  });
  response.end("This process is stopping. Try again.\n");
});
server.on("error", (/** @type {NodeJS.ErrnoException} */ { code, message }) =>
  parentPort?.postMessage({ error: { code, message } }),
);
server.listen({ host, port }, () => {
  // Node has no public name for it.
  const { fd } = /** @type {any} */ (server)._handle;
  parentPort?.postMessage({ fd });
  // This thread must accept no connection while the runtime does.
  Atomics.wait(gate, 0, 0);
});
