/** Shows a fill level. */

/**
 * @param {{ label: string, part: number | null, text: string, kind?: string }} props `part` of 1;
 *   larger values show as full, null as unknown
 */
export function Bar({ label, part, text, kind = "" }) {
  const full = Math.max(0, Math.min(1, part ?? 0));
  return (
    <div class="bar">
      <span>{label}</span>
      <span class="number">{text}</span>
      <span class={`track ${part === null ? "unknown" : kind}`} aria-hidden="true">
        {full > 0 && <span style={{ width: `${full * 100}%` }} />}
      </span>
    </div>
  );
}
