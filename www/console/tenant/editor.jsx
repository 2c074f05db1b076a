/** Edits text in a plain text area with line numbers, so that keyboard, screen reader and undo work as usual. */
import { useEffect, useRef } from "preact/hooks";

/** @typedef {{ from: number, to: number, text?: string }} Selection with `text`, put in its place */

/**
 * @param {{ text: string, marks: Map<number, string>, change: (text: string) => void,
 *   move: (caret: number) => void, hand: { current: (selection: Selection) => void } }} props
 *   `marks`: the faulty lines; `hand` receives the function that selects and writes here
 */
export function Editor({ text, marks, change, move, hand }) {
  const area = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const gutter = useRef(/** @type {HTMLOListElement | null} */ (null));
  const lines = text.split("\n").length;

  useEffect(() => {
    hand.current = ({ from, to, text: added }) => {
      const field = area.current;
      if (!field) return;
      field.focus();
      field.setSelectionRange(from, to);
      if (added !== undefined) write(field, added);
      const line = field.value.slice(0, from).split("\n").length;
      const height = field.scrollHeight / Math.max(1, field.value.split("\n").length);
      field.scrollTop = Math.max(0, (line - 4) * height);
    };
  }, []);

  return (
    <div class="editor">
      <ol class="gutter" ref={gutter} aria-hidden="true">
        {Array.from({ length: lines }, (_, index) => (
          <li key={index} class={marks.has(index + 1) ? "faulty" : undefined} />
        ))}
      </ol>
      <textarea
        ref={area}
        value={text}
        aria-label="Document, as JSON"
        aria-describedby="faults-title"
        spellcheck={false}
        autocapitalize="off"
        autocomplete="off"
        wrap="off"
        onInput={(event) => change(event.currentTarget.value)}
        onSelect={(event) => move(event.currentTarget.selectionStart)}
        onScroll={(event) => {
          if (gutter.current) gutter.current.scrollTop = event.currentTarget.scrollTop;
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.isComposing) return;
          event.preventDefault();
          newLine(event.currentTarget);
        }}
      />
    </div>
  );
}

/** Inserts a new line with the indentation of the one before, or more. @param {HTMLTextAreaElement} field */
function newLine(field) {
  const { value, selectionStart: at } = field;
  const line = value.slice(value.lastIndexOf("\n", at - 1) + 1, at);
  const depth = /^ */.exec(line)?.[0] ?? "";
  const opens = /[[{]\s*$/.test(line);
  const closes = opens && /^\s*[\]}]/.test(value.slice(at, at + 1));
  write(field, `\n${depth}${opens ? "  " : ""}${closes ? `\n${depth}` : ""}`);
  if (closes) {
    const back = field.selectionStart - depth.length - 1;
    field.setSelectionRange(back, back);
  }
}

/**
 * Inserts text as if it were typed, so that it can be undone; no newer API does that.
 * @param {HTMLTextAreaElement} field
 * @param {string} text
 */
function write(field, text) {
  if (document.execCommand("insertText", false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
