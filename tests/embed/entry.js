/** What worker-build's entry does, in short: makes the instance, and hands the event over. */
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
