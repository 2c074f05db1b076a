/** Shows the difference of two texts as removed and added lines. */
import { condensed, diff } from "./diff.js";

/** @param {{ before: string, after: string, label: string }} props */
export function Diff({ before, after, label }) {
  const changes = diff(before, after);
  const gone = changes.filter(({ kind }) => kind === "gone").length;
  const added = changes.filter(({ kind }) => kind === "new").length;
  if (gone + added === 0) return <p class="soft">There is no difference.</p>;
  return (
    <>
      <p class="soft number">
        {label}: {added} {added === 1 ? "line" : "lines"} added, {gone} removed.
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="diff" tabIndex={0} aria-label={label}>
        <ol>
          {condensed(changes).map((change) =>
            change === null ? (
              <li class="left-out">⋯</li>
            ) : (
              <li class={change.kind} key={`${change.kind}${change.before}/${change.after}`}>
                <span class="sign" aria-hidden="true">
                  {{ same: " ", gone: "−", new: "+" }[change.kind]}
                </span>
                {change.kind !== "same" && (
                  <span class="visually-hidden">{change.kind === "gone" ? "Gone:" : "New:"}</span>
                )}
                <code>{change.text || " "}</code>
              </li>
            ),
          )}
        </ol>
      </section>
    </>
  );
}
