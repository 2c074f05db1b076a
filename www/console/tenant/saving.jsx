/** Shows the changes before a document is stored, and resolves a conflict with another operator. */
import { useSignal } from "@preact/signals";
import { ask, Refusal } from "../api.js";
import { Confirm, Dialog } from "../parts/dialog.jsx";
import { Diff } from "./diff.jsx";
import { written } from "./templates.js";

/** @import { Draft } from "./draft.js" */

/** @param {string} id */
const placeOf = (id) => `admin/tenants/${encodeURIComponent(id)}`;

/**
 * Loads the stored document.
 * @param {string} id
 * @param {AbortSignal} [signal]
 */
export async function fetched(id, signal) {
  const response = await ask("GET", placeOf(id), { signal });
  return { text: written(await response.json()), etag: response.headers.get("etag") ?? "" };
}

/**
 * @param {string} id
 * @param {string} text
 * @param {string} etag
 */
export async function store(id, text, etag) {
  await ask("PUT", placeOf(id), { body: JSON.parse(text), etag });
}

/** @param {{ id: string, draft: Draft, saved: () => Promise<void>, close: () => void }} props */
export function Save({ id, draft, saved, close }) {
  const theirs = useSignal(/** @type {{ text: string, etag: string } | null} */ (null));
  const { text, etag } = draft.saved.value;
  const save = async () => {
    try {
      await store(id, draft.text.value, etag);
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 412) throw error;
      theirs.value = await fetched(id);
      return;
    }
    await saved();
  };
  if (theirs.value)
    return <Conflict id={id} draft={draft} theirs={theirs.value} saved={saved} close={close} />;
  return (
    <Confirm
      title={etag ? `Save ${id}?` : `Create ${id}?`}
      action="Save"
      wide
      act={save}
      close={() => {
        if (!theirs.value) close();
      }}
    >
      <Diff label="From the stored document to yours" before={text} after={draft.text.value} />
    </Confirm>
  );
}

/**
 * @param {{ id: string, draft: Draft, theirs: { text: string, etag: string },
 *   saved: () => Promise<void>, close: () => void }} props
 */
function Conflict({ id, draft, theirs, saved, close }) {
  const fault = useSignal("");
  const overwrite = async () => {
    try {
      await store(id, draft.text.value, theirs.etag);
      await saved();
      close();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fault.value = error.message;
    }
  };
  const take = () => {
    draft.saved.value = theirs;
    draft.text.value = theirs.text;
    close();
  };
  const merge = () => {
    draft.saved.value = theirs;
    close();
  };
  return (
    <Dialog title="Another operator saved meanwhile" close={close} wide>
      <p>{id} changed since you opened it. Your text is not stored yet, and it is not lost.</p>
      <Diff label="From theirs to yours" before={theirs.text} after={draft.text.value} />
      <p class="fault" role="alert">
        {fault.value}
      </p>
      <div class="buttons">
        <button type="button" onClick={merge}>
          Keep editing mine
        </button>
        <button type="button" onClick={take}>
          Take theirs
        </button>
        <button type="button" class="danger" onClick={overwrite}>
          Overwrite theirs
        </button>
      </div>
    </Dialog>
  );
}
