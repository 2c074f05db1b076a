/** Edits a tenant's document: as a form or as JSON, with its faults and its effects. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { listTenants } from "../account.js";
import { address, ask } from "../api.js";
import { Confirm } from "../parts/dialog.jsx";
import { notify } from "../parts/notice.jsx";
import { Head } from "../parts/page.jsx";
import { go } from "../route.js";
import { draftOf, forget } from "../tenant/draft.js";
import { Editor } from "../tenant/editor.jsx";
import { Faults, located } from "../tenant/faults.jsx";
import { DocumentForm } from "../tenant/form.jsx";
import { History } from "../tenant/history.jsx";
import { Preview } from "../tenant/preview.jsx";
import { Reference } from "../tenant/reference.jsx";
import { fetched, Save, store } from "../tenant/saving.jsx";

/** @import { Schema } from "../backend.d.ts" */
/** @import { Draft } from "../tenant/draft.js" */
/** @import { Selection } from "../tenant/editor.jsx" */

const VIEWS = { form: "Form", json: "JSON" };

const NEW_SIDES = { reference: "Reference", preview: "Preview" };
const SIDES = { ...NEW_SIDES, history: "History" };

/**
 * @param {{ id: string, text: string, etag: string, discard?: () => void }} props `etag` empty and
 *   `discard` only for one that is not stored yet
 */
export function Workbench({ id, text, etag, discard }) {
  const draft = useRef(/** @type {Draft | null} */ (null));
  draft.current ??= draftOf(id, text, etag);
  const asked = useSignal(/** @type {"" | "save" | "delete"} */ (""));
  const hand = useRef((/** @type {Selection} */ _) => {});
  const view = useSignal(/** @type {keyof typeof VIEWS} */ ("json"));
  const schema = useSchema();
  const select = (/** @type {Selection} */ selection) => {
    view.value = "json";
    // Once the editor is visible again.
    requestAnimationFrame(() => hand.current(selection));
  };
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
          <Switch
            name="view"
            legend="How the document is shown"
            choices={VIEWS}
            chosen={view.value}
            choose={(name) => {
              view.value = name;
            }}
          />
          {view.value === "form" && (
            <DocumentForm draft={current} schema={schema} showJson={select} />
          )}
          {/* The editor stays, so that its undo history does. */}
          <div hidden={view.value !== "json"}>
            <Editor
              text={current.text.value}
              schema={schema}
              marks={faults}
              change={(typed) => {
                current.text.value = typed;
              }}
              move={(caret) => {
                current.caret.value = caret;
              }}
              hand={hand}
            />
          </div>
          <Faults draft={current} select={select} />
        </div>
        <Side id={id} draft={current} schema={schema} select={select} isNew={isNew} />
      </div>
      {asked.value === "save" && <Save id={id} draft={current} saved={saved} close={close} />}
      {asked.value === "delete" && <Delete id={id} close={close} />}
    </>
  );
}

/** Loads the schema of documents. @returns {Schema | null} null while it is loading */
function useSchema() {
  const schema = useSignal(/** @type {Schema | null} */ (null));
  useEffect(() => {
    fetch(address("console/tenant.schema.json"))
      .then((response) => response.json())
      .then((answer) => {
        schema.value = answer;
      })
      .catch(() => {});
  }, []);
  return schema.value;
}

/**
 * Shows a choice of few views.
 * @template {string} T
 * @param {{ name: string, legend: string, choices: Partial<Record<T, string>>, chosen: T,
 *   choose: (name: T) => void }} props
 */
function Switch({ name, legend, choices, chosen, choose }) {
  return (
    <fieldset class="switch">
      <legend class="visually-hidden">{legend}</legend>
      {
        /** @type {[T, string][]} */ (Object.entries(choices)).map(([value, label]) => (
          <label key={value}>
            <input
              type="radio"
              name={name}
              checked={chosen === value}
              onChange={() => choose(value)}
            />
            {label}
          </label>
        ))
      }
    </fieldset>
  );
}

/**
 * @param {{ id: string, draft: Draft, schema: Schema | null, select: (selection: Selection) => void,
 *   isNew: boolean }} props
 */
function Side({ id, draft, schema, select, isNew }) {
  const side = useSignal(/** @type {keyof typeof SIDES} */ ("reference"));
  const rollBack = async (/** @type {string} */ text) => {
    await store(id, text, draft.saved.value.etag);
    const stored = await fetched(id);
    draft.saved.value = stored;
    draft.text.value = stored.text;
    notify(`${id} is restored.`);
  };
  return (
    <section class="card side" aria-label="Beside the document">
      <Switch
        name="side"
        legend="What is shown beside the document"
        choices={isNew ? NEW_SIDES : SIDES}
        chosen={side.value}
        choose={(name) => {
          side.value = name;
        }}
      />
      <div class="inside">
        {side.value === "reference" && <Reference draft={draft} schema={schema} select={select} />}
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
        Requests for <b>{id}</b> are refused, and its chat servers get no more requests.
      </p>
    </Confirm>
  );
}
