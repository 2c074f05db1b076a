/** Exports the Worker's entry points. `exchange.js`, `objects.js` and, in Rust, `worker/` implement them. */
import { Exchange } from "./exchange.js";
import { configure, glue, observe, survive } from "./instance.js";
import { inFlight, isDue } from "./telemetry/in_flight.js";

export * from "./objects.js";

/** @type {ExportedHandler<Env>} */
export default {
  fetch(request, env, context) {
    configure(env);
    const now = Date.now();
    if (isDue(now)) observe(inFlight(now));
    return new Exchange(request, env, context, now).begin();
  },

  async scheduled(event, env, context) {
    configure(env);
    await survive(() => glue.scheduled(event, env, context)).catch(() => {});
  },
};
