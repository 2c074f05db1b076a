/** Revalidates the session of an open connection repeatedly until the session is over. */
/** @import { Revalidate } from "../types.js" */
import { warn } from "../instance.js";

/** Starts revalidation, and returns a function that stops it. @param {Revalidate} revalidate @param {(reason: string) => void} onOver */
export function startRevalidation(revalidate, onOver) {
  let isOpen = true;
  const run = async () => {
    while (isOpen) {
      const outcome = await revalidate();
      if (!isOpen) return;
      if ("over" in outcome) return onOver(outcome.over);
      await new Promise((resolve) => setTimeout(resolve, outcome.afterMs));
    }
  };
  run().catch(() => warn("revalidation_failed"));
  return () => {
    isOpen = false;
  };
}
