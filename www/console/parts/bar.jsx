/** How full something is. */

/**
 * @param {{ label: string, part: number, text: string, kind?: string }} props `part` of 1; more
 *   than that is full
 */
export function Bar({ label, part, text, kind = "" }) {
  const full = Math.max(0, Math.min(1, part));
  return (
    <div class="bar">
      <span>{label}</span>
      <span class="number">{text}</span>
      <span class={`track ${kind}`} aria-hidden="true">
        <span style={{ width: `${full * 100}%` }} />
      </span>
    </div>
  );
}
