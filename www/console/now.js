/** Updates the time each second while the page is visible, so that "3 s ago" stays true. */
import { signal } from "@preact/signals";

/** In milliseconds. */
export const now = signal(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, 1_000);
