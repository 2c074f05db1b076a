/** Does the same as worker-build's entry: creates the instance, and passes the event to it. */
import * as glue from "vestibule-core";
import module from "./embed_bg.wasm";

glue.initSync({ module });

export default {
  /**
   * @param {Request} request
   * @param {unknown} env
   * @param {unknown} context
   */
  fetch(request, env, context) {
    return glue.fetch(request, env, context);
  },
};
