/** Keeps a document being edited: its text, its stored text, and its faults. */
import { computed, effect, signal } from "@preact/signals";
import { ask, Refusal } from "../api.js";
import { read } from "./json-text.js";

/** @import { Fault } from "../backend.d.ts" */

/** Time without typing before the server validates the text, in milliseconds. */
const CALM = 500;

/**
 * @param {string} start
 * @param {string} etag empty for one that is not stored yet
 */
function newDraft(start, etag) {
  const text = signal(start);
  const caret = signal(0);
  const saved = signal({ text: etag ? start : "", etag });
  const reading = computed(() => read(text.value));
  /** The last valid text, so that help continues while the text is incomplete. */
  const sound = signal(read(start).root ? start : "{}");
  const faults = signal(/** @type {Fault[]} */ ([]));
  const check = signal(/** @type {"asked" | "known" | Refusal} */ ("asked"));

  const dispose = effect(() => {
    const { root } = reading.value;
    const now = text.value;
    check.value = "asked";
    if (!root) return;
    sound.value = now;
    const ended = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const body = JSON.parse(now);
        const response = await ask("POST", "admin/tenants/validate", {
          body,
          signal: ended.signal,
        });
        const answer = await response.json();
        if (ended.signal.aborted) return;
        faults.value = answer.faults;
        check.value = "known";
      } catch (error) {
        if (error instanceof Refusal) check.value = error;
        else if (!ended.signal.aborted) throw error;
      }
    }, CALM);
    return () => {
      clearTimeout(timer);
      ended.abort();
    };
  });

  return {
    text,
    caret,
    saved,
    reading,
    sound,
    faults,
    check,
    dispose,
    isChanged: computed(() => text.value !== saved.value.text),
  };
}

/** @typedef {ReturnType<typeof newDraft>} Draft */

/** Drafts, which survive visits of other pages. @type {Map<string, Draft>} */
const begun = new Map();

/**
 * @param {string} id
 * @param {string} start
 * @param {string} etag
 */
export function draftOf(id, start, etag) {
  const known = begun.get(id);
  if (known?.isChanged.value) return known;
  forget(id);
  const draft = newDraft(start, etag);
  begun.set(id, draft);
  return draft;
}

/** @param {string} id */
export function forget(id) {
  begun.get(id)?.dispose();
  begun.delete(id);
}

addEventListener("beforeunload", (event) => {
  if ([...begun.values()].some(({ isChanged }) => isChanged.value)) event.preventDefault();
});
