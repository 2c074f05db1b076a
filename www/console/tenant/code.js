/**
 * Edits JSON with CodeMirror: highlighting, folding, search, completion by the schema, and faults at their places. It is
 * loaded only with the page of a document.
 *
 * The editor is in a shadow root. There CodeMirror adopts its style sheets, as the console's policy requires; in the
 * document it would add style elements, which the policy forbids.
 */
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
} from "@codemirror/language";
import { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";

/** @typedef {import("@codemirror/autocomplete").CompletionSource} CompletionSource */
/** @typedef {{ from: number, to: number, problem: string }} Mark */

const THEME = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "transparent" },
  "&.cm-focused": { outline: "3px solid var(--mark)", outlineOffset: "-3px" },
  ".cm-scroller": { fontFamily: "var(--mono)", fontSize: "0.875rem", lineHeight: "1.375rem" },
  ".cm-content": { padding: "0.75rem 0", caretColor: "var(--text)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-gutters": {
    color: "var(--soft)",
    backgroundColor: "var(--sunk)",
    borderRight: "1px solid var(--line)",
  },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--mark) 7%, transparent)" },
  ".cm-activeLineGutter": { color: "var(--text)", backgroundColor: "var(--line)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    {
      backgroundColor: "color-mix(in srgb, var(--mark) 30%, transparent)",
    },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    backgroundColor: "color-mix(in srgb, var(--good) 25%, transparent)",
  },
  ".cm-foldPlaceholder": {
    color: "var(--soft)",
    backgroundColor: "var(--sunk)",
    borderColor: "var(--line)",
  },
  ".cm-tooltip": {
    color: "var(--text)",
    backgroundColor: "var(--card)",
    border: "1px solid var(--edge)",
    borderRadius: "0.5rem",
    maxWidth: "26rem",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16rem" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--on-accent)",
    backgroundColor: "var(--accent)",
  },
  ".cm-completionInfo": { padding: "0.5rem 0.75rem" },
  ".cm-completionDetail": { color: "inherit", fontStyle: "normal", opacity: "1" },
  ".cm-diagnostic": { fontFamily: "system-ui, sans-serif", padding: "0.375rem 0.75rem" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--alarm)" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--alarm)",
    textUnderlineOffset: "0.2em",
  },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--mark)" },
  { tag: tags.string, color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: [tags.separator, tags.brace, tags.squareBracket], color: "var(--soft)" },
]);

/**
 * @param {HTMLElement} place
 * @param {{ text: string, label: string, describedBy: string, change: (text: string) => void,
 *   move: (caret: number) => void, complete: CompletionSource }} options
 */
export function createEditor(place, { text, label, describedBy, change, move, complete }) {
  const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  /** Whether the text is being set from outside: then nobody needs to be notified. */
  let isSetting = false;
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: text,
      extensions: [
        lineNumbers(),
        foldGutter(),
        lintGutter(),
        history(),
        drawSelection(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        autocompletion({ override: [complete], icons: false, closeOnBlur: false }),
        syntaxHighlighting(COLOURS),
        json(),
        THEME,
        EditorState.tabSize.of(2),
        EditorView.contentAttributes.of({
          "aria-label": label,
          ...(describedBy && { "aria-description": describedBy }),
          spellcheck: "false",
          // It scrolls, so that it must be reached by keyboard, which checkers see only by this.
          tabindex: "0",
          autocapitalize: "off",
        }),
        keymap.of([
          // Tab leaves the editor, as in every other field, unless a completion is chosen.
          { key: "Tab", run: acceptCompletion },
          ...closeBracketsKeymap,
          ...completionKeymap,
          ...defaultKeymap,
          ...historyKeymap,
          ...foldKeymap,
          ...lintKeymap,
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged && !isSetting) change(update.state.doc.toString());
          if (update.selectionSet || update.docChanged) move(update.state.selection.main.head);
        }),
      ],
    }),
  });
  return {
    /** Replaces the text, unless it is the same. @param {string} next */
    setText(next) {
      const before = view.state.doc.toString();
      if (next === before) return;
      isSetting = true;
      view.dispatch({ changes: { from: 0, to: before.length, insert: next } });
      isSetting = false;
    },
    /** @param {Mark[]} marks */
    setMarks(marks) {
      const { length } = view.state.doc;
      const diagnostics = marks.map(({ from, to, problem }) => ({
        from: Math.min(from, length),
        to: Math.min(Math.max(to, from + 1), length),
        severity: /** @type {const} */ ("error"),
        message: problem,
      }));
      view.dispatch(setDiagnostics(view.state, diagnostics));
    },
    /**
     * Selects a range, and replaces it if there is a text.
     * @param {{ from: number, to: number, text?: string }} selection
     */
    select({ from, to, text: added }) {
      view.focus();
      if (added === undefined) view.dispatch({ selection: { anchor: from, head: to } });
      else
        view.dispatch({
          changes: { from, to, insert: added },
          selection: { anchor: from + added.length },
          userEvent: "input.complete",
        });
      view.dispatch({ effects: EditorView.scrollIntoView(from, { y: "center" }) });
    },
    destroy() {
      view.destroy();
    },
  };
}
