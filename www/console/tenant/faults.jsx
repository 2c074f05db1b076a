/** Lists the document's faults; each links to its line. */
import { lineOf, nodeOf } from "./json-text.js";

/** @import { Draft } from "./draft.js" */
/** @import { Selection } from "./editor.jsx" */

/**
 * @param {Draft} draft
 * @returns {{ line: number, from: number, to: number, path: string, problem: string }[]}
 */
export function located(draft) {
  const text = draft.text.value;
  const { root, mistake } = draft.reading.value;
  if (mistake) {
    const { at, problem } = mistake;
    return [{ line: lineOf(text, at), from: at, to: at + 1, path: "", problem }];
  }
  if (!root) return [];
  return draft.faults.value.map(({ path, problem }) => {
    const { from, end, kind } = nodeOf(root, path);
    const to = kind === "value" ? end : from;
    return { line: lineOf(text, from), from, to, path, problem };
  });
}

/** @param {{ draft: Draft, select: (selection: Selection) => void }} props */
export function Faults({ draft, select }) {
  const faults = located(draft);
  const check = draft.check.value;
  return (
    <section class="faults" aria-labelledby="faults-title">
      {/* A heading that holds the region would be one without a name. */}
      <div role="status">
        <h2 id="faults-title">{verdict(draft, faults.length)}</h2>
      </div>
      {typeof check === "object" && <p class="fault">{check.message}</p>}
      <ul>
        {faults.map(({ line, from, to, path, problem }) => (
          <li key={`${path}${line}${problem}`}>
            <button type="button" class="link" onClick={() => select({ from, to })}>
              Line {line}
            </button>
            <span>
              {path && <code>{path}</code>} {problem}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/**
 * @param {Draft} draft
 * @param {number} count
 */
function verdict(draft, count) {
  if (draft.reading.value.mistake) return "The JSON has a mistake";
  if (typeof draft.check.value === "object") return "Not checked: the server did not answer";
  if (count > 0) return count === 1 ? "One fault" : `${count} faults`;
  return draft.check.value === "asked" ? "Checking …" : "No faults: this can be saved";
}
