/** A sentence about what was just done, read aloud too. */
import { signal } from "@preact/signals";

const said = signal("");
let timer = 0;

/** @param {string} sentence */
export function tell(sentence) {
  said.value = sentence;
  clearTimeout(timer);
  timer = setTimeout(() => {
    said.value = "";
  }, 6_000);
}

export function Told() {
  return (
    <div class="told" role="status">
      {said.value && <p>{said.value}</p>}
    </div>
  );
}
