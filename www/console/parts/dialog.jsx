/** Questions that must be answered first. */
import { useSignal } from "@preact/signals";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Refusal } from "../api.js";

/** @import { ComponentChildren } from "preact" */

/**
 * Open as long as it is there.
 * @param {{ title: string, close?: () => void, wide?: boolean, children: ComponentChildren }} props
 *   without `close` it stays until it is answered
 */
export function Dialog({ title, close, wide, children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  // Before anything else is typed.
  useLayoutEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    dialog?.showModal();
    return () => {
      // Closed, not only taken away: then the focus goes back to where it was.
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
        // A browser closes what was not willing to a second time.
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
 * Chromium gives a text field the focus back, but not the caret: what is typed would go nowhere.
 * @param {HTMLElement} field
 */
function typeable(field) {
  if (document.activeElement !== field) return;
  field.blur();
  field.focus({ preventScroll: true });
}
