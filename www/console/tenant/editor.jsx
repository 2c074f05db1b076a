/** Shows the editor of a document, which is loaded when it is first needed. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { completion } from "./complete.js";

/** @import { Schema } from "../backend.d.ts" */
/** @import { Mark } from "./code.js" */

/** @typedef {{ from: number, to: number, text?: string }} Selection with `text`, put in its place */
/** @typedef {ReturnType<typeof import("./code.js").createEditor>} CodeEditor */

/**
 * @param {{ text: string, schema: Schema | null, marks: Mark[], change: (text: string) => void,
 *   move: (caret: number) => void, hand: { current: (selection: Selection) => void } }} props
 *   `hand` receives the function that selects and writes here
 */
export function Editor({ text, schema, marks, change, move, hand }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const editor = useSignal(/** @type {CodeEditor | null} */ (null));
  const isMissing = useSignal(false);
  /** Values that the editor's callbacks read later. */
  const latest = useRef({ text, schema, change, move });
  latest.current = { text, schema, change, move };

  /** Texts typed here that the page has not rendered yet. The last one is the editor's. @type {{ current: string[] }} */
  const typedHere = useRef([]);

  useEffect(() => {
    let isGone = false;
    import("./code.js").then(
      ({ createEditor }) => {
        if (isGone || !place.current) return;
        editor.value = createEditor(place.current, {
          text: latest.current.text,
          label: "Document, as JSON",
          describedBy: "Faults are listed below the editor.",
          change: (typed) => {
            typedHere.current.push(typed);
            latest.current.change(typed);
          },
          move: (caret) => latest.current.move(caret),
          complete: ({ state, pos, explicit }) => {
            const { schema } = latest.current;
            const found = completion(schema, state.doc.toString(), pos);
            if (!found || found.options.length === 0) return null;
            return explicit || found.from < pos ? { ...found, filter: true } : null;
          },
        });
      },
      () => {
        isMissing.value = true;
      },
    );
    return () => {
      isGone = true;
      editor.value?.destroy();
    };
  }, []);

  useEffect(() => {
    hand.current = (selection) => editor.value?.select(selection);
  }, []);
  useEffect(() => {
    // While a page is rendered more is typed. Its older text must not replace the newer one.
    const at = typedHere.current.lastIndexOf(text);
    typedHere.current = typedHere.current.slice(at + 1);
    if (at < 0) editor.value?.setText(text);
  }, [editor.value, text]);
  const shown = marks.map(({ from, to, problem }) => `${from} ${to} ${problem}`).join("\n");
  useEffect(() => editor.value?.setMarks(marks), [editor.value, shown]);

  return (
    <div class="editor">
      {!editor.value && (
        <p class="soft" role="status">
          {isMissing.value
            ? "The editor could not be loaded. Check the network, and load the page again."
            : "Loading the editor …"}
        </p>
      )}
      <div ref={place} class="code" />
    </div>
  );
}
