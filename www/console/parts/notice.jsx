/** Shows a sentence about the last action, also to screen readers. */
import { signal } from "@preact/signals";

const notice = signal("");
let timer = 0;

/** @param {string} sentence */
export function notify(sentence) {
  notice.value = sentence;
  clearTimeout(timer);
  timer = setTimeout(() => {
    notice.value = "";
  }, 6_000);
}

export function Notice() {
  return (
    <div class="notice" role="status">
      {notice.value && <p>{notice.value}</p>}
    </div>
  );
}
