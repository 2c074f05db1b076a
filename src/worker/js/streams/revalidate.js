/** Revalidates the session of what stays open, again and again. */
import { warn } from "../instance.js";
import { pause } from "../waiting.js";

/**
 * Revalidates until the session is over, or until the function it returns is called.
 * @param {import("../types.js").Revalidate} revalidate
 * @param {(reason: string) => void} onOver
 */
export function startRevalidation(revalidate, onOver) {
  let isOpen = true;
  const run = async () => {
    while (isOpen) {
      const outcome = await revalidate();
      if (!isOpen) return;
      if ("over" in outcome) return onOver(outcome.over);
      await pause(outcome.afterMs);
    }
  };
  run().catch(() => warn("revalidation_failed"));
  return () => {
    isOpen = false;
  };
}
