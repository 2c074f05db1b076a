/** Edits a tenant's document: its text, its faults, and its effects. */
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { listTenants } from "../account.js";
import { ask } from "../api.js";
import { Confirm } from "../parts/dialog.jsx";
import { notify } from "../parts/notice.jsx";
import { Head } from "../parts/page.jsx";
import { go } from "../route.js";
import { draftOf, forget } from "../tenant/draft.js";
import { Editor } from "../tenant/editor.jsx";
import { Faults, located } from "../tenant/faults.jsx";
import { History } from "../tenant/history.jsx";
import { Preview } from "../tenant/preview.jsx";
import { Reference } from "../tenant/reference.jsx";
import { fetched, Save, store } from "../tenant/saving.jsx";

/** @import { Draft } from "../tenant/draft.js" */
/** @import { Selection } from "../tenant/editor.jsx" */

const SIDES = { reference: "Reference", preview: "Preview", history: "History" };

/**
 * @param {{ id: string, text: string, etag: string, discard?: () => void }} props `etag` empty and
 *   `discard` only for one that is not stored yet
 */
export function Workbench({ id, text, etag, discard }) {
  const draft = useRef(/** @type {Draft | null} */ (null));
  draft.current ??= draftOf(id, text, etag);
  const asked = useSignal(/** @type {"" | "save" | "delete"} */ (""));
  const hand = useRef((/** @type {Selection} */ _) => {});
  const select = (/** @type {Selection} */ selection) => hand.current(selection);
  const { current } = draft;
  const close = () => {
    asked.value = "";
  };

  const isNew = current.saved.value.etag === "";
  const saved = async () => {
    notify(`${id} is saved.`);
    if (isNew) {
      await listTenants();
      discard?.();
      go("tenants", id);
      return;
    }
    const stored = await fetched(id);
    current.saved.value = stored;
    current.text.value = stored.text;
  };
  const faults = located(current);
  const canSave = current.isChanged.value && faults.length === 0;
  return (
    <>
      <Head
        title={id}
        lead={
          isNew
            ? "Not stored yet."
            : current.isChanged.value
              ? "Changed, and not saved yet."
              : "As it is stored."
        }
      >
        {isNew && discard && (
          <button type="button" onClick={discard}>
            Discard
          </button>
        )}
        {!isNew && (
          <button
            type="button"
            onClick={() => {
              asked.value = "delete";
            }}
          >
            Delete
          </button>
        )}
        <button
          type="button"
          class="main"
          disabled={!canSave}
          onClick={() => {
            asked.value = "save";
          }}
        >
          Save …
        </button>
      </Head>
      <div class="workbench">
        <div class="card text">
          <Editor
            text={current.text.value}
            marks={new Map(faults.map(({ line, problem }) => [line, problem]))}
            change={(typed) => {
              current.text.value = typed;
            }}
            move={(caret) => {
              current.caret.value = caret;
            }}
            hand={hand}
          />
          <Faults draft={current} select={select} />
        </div>
        <Side id={id} draft={current} select={select} isNew={isNew} />
      </div>
      {asked.value === "save" && <Save id={id} draft={current} saved={saved} close={close} />}
      {asked.value === "delete" && <Delete id={id} close={close} />}
    </>
  );
}

/**
 * @param {{ id: string, draft: Draft, select: (selection: Selection) => void, isNew: boolean }} props
 */
function Side({ id, draft, select, isNew }) {
  const side = useSignal(/** @type {keyof typeof SIDES} */ ("reference"));
  const rollBack = async (/** @type {string} */ text) => {
    await store(id, text, draft.saved.value.etag);
    const stored = await fetched(id);
    draft.saved.value = stored;
    draft.text.value = stored.text;
    notify(`${id} is what it was.`);
  };
  return (
    <section class="card side" aria-label="Beside the document">
      <fieldset class="switch">
        <legend class="visually-hidden">What is shown beside the document</legend>
        {
          /** @type {(keyof typeof SIDES)[]} */ (Object.keys(SIDES))
            .filter((name) => name !== "history" || !isNew)
            .map((name) => (
              <label key={name}>
                <input
                  type="radio"
                  name="side"
                  checked={side.value === name}
                  onChange={() => {
                    side.value = name;
                  }}
                />
                {SIDES[name]}
              </label>
            ))
        }
      </fieldset>
      <div class="inside">
        {side.value === "reference" && <Reference draft={draft} select={select} />}
        {side.value === "preview" && <Preview draft={draft} />}
        {side.value === "history" && <History id={id} draft={draft} save={rollBack} />}
      </div>
    </section>
  );
}

/** @param {{ id: string, close: () => void }} props */
function Delete({ id, close }) {
  const act = async () => {
    await ask("DELETE", `admin/tenants/${encodeURIComponent(id)}`);
    forget(id);
    await listTenants();
    notify(`${id} is deleted.`);
    go("tenants", "", { tenant: "" });
  };
  return (
    <Confirm title={`Delete ${id}?`} action="Delete" danger word={id} act={act} close={close}>
      <p>
        Nobody reaches <b>{id}</b> any more, and its chat servers get no more requests from here.
      </p>
    </Confirm>
  );
}
