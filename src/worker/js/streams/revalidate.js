/** Looking after what stays open: whether its session still lives. */
import { warn } from "../telemetry/log_buffer.js";
import { pause } from "../waiting.js";

/** @typedef {() => Promise<{ afterMs: number } | { over: string }>} Look whether the session lives */

/**
 * Looks now and then until it is over or ended.
 * @param {Look} look
 * @param {(reason: string) => void} over
 */
export function keepVigil(look, over) {
  let open = true;
  const keep = async () => {
    while (open) {
      const seen = await look();
      if (!open) return;
      if ("over" in seen) return over(seen.over);
      await pause(seen.afterMs);
    }
  };
  keep().catch(() => warn("vigil_broken"));
  return {
    end() {
      open = false;
    },
  };
}
