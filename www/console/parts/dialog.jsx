/** Shows modal dialogs. */
import { useSignal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Refusal } from "../api.js";

/** @import { ComponentChildren } from "preact" */

/**
 * Shows a dialog that is open while it is mounted.
 * @param {{ title: string, close?: () => void, wide?: boolean, children: ComponentChildren }} props
 *   without `close` it stays until an action is chosen
 */
export function Dialog({ title, close, wide, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  // Before the next keystroke.
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      // Closing, not only removing, restores the focus.
      dialog?.close();
      if (before instanceof HTMLElement) queueMicrotask(() => typeable(before));
    };
  }, []);
  return (
    <dialog
      ref={element}
      class={wide ? "wide" : undefined}
      aria-labelledby={id}
      onCancel={(event) => {
        if (event.target !== event.currentTarget) return;
        event.preventDefault();
        close?.();
      }}
      onClose={({ currentTarget }) => {
        // A browser closes a dialog at the second Escape, even if it refused the first.
        if (!currentTarget.isConnected || currentTarget.open) return;
        if (close) close();
        else currentTarget.showModal();
      }}
    >
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

/**
 * @param {{ title: string, action: string, word?: string, wide?: boolean, danger?: boolean,
 *   act: () => Promise<unknown>, close: () => void, children: ComponentChildren }} props
 *   `word` must be typed first
 */
export function Confirm({ title, action, word, wide, danger, act, close, children }) {
  const typed = useSignal("");
  const isBusy = useSignal(false);
  const fault = useSignal("");
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    isBusy.value = true;
    fault.value = "";
    try {
      await act();
      close();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fault.value = error.message;
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <Dialog title={title} close={close} wide={wide}>
      <form onSubmit={submit}>
        {children}
        {word && (
          <label>
            <span>
              Type <code>{word}</code> to go on
            </span>
            <input
              value={typed.value}
              onInput={(event) => {
                typed.value = event.currentTarget.value;
              }}
              autocomplete="off"
              autocapitalize="off"
              spellcheck={false}
            />
          </label>
        )}
        <p class="fault" role="alert">
          {fault.value}
        </p>
        <div class="buttons">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            class={danger ? "danger" : "main"}
            disabled={isBusy.value || (word !== undefined && typed.value !== word)}
          >
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/**
 * Restores the caret: Chromium returns the focus to a text field without it, and typed text would be lost.
 * @param {HTMLElement} field
 */
function typeable(field) {
  if (document.activeElement !== field) return;
  field.blur();
  field.focus({ preventScroll: true });
}
