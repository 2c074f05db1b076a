/** Shows earlier versions of the document, and restores them. */
import { useSignal } from "@preact/signals";
import { get, Refusal } from "../api.js";
import { absolute } from "../format.js";
import { Confirm } from "../parts/dialog.jsx";
import { Empty, Loaded } from "../parts/loaded.jsx";
import { notify } from "../parts/notice.jsx";
import { Time } from "../parts/time.jsx";
import { usePolled } from "../polled.js";
import { Diff } from "./diff.jsx";
import { written } from "./templates.js";

/** @import { Version } from "../backend.d.ts" */
/** @import { Draft } from "./draft.js" */

/** @param {{ id: string, draft: Draft, save: (text: string) => Promise<void> }} props */
export function History({ id, draft, save }) {
  const chosen = useSignal(/** @type {{ version: Version, text: string } | null} */ (null));
  const place = `admin/tenants/${encodeURIComponent(id)}/history`;
  const reading = usePolled(
    async (signal) => /** @type {Version[]} */ ((await get(place, { signal })).versions),
    0,
    [id, draft.saved.value.etag],
  );
  const choose = async (/** @type {Version} */ version) => {
    try {
      const document = await get(`${place}/${encodeURIComponent(version.version)}`);
      chosen.value = { version, text: written(document) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      notify(error.message);
    }
  };
  return (
    <Loaded reading={reading}>
      {(versions) => (
        <>
          {versions.length === 0 && (
            <Empty title="No history yet">
              <p>The last twenty saved documents are kept here.</p>
            </Empty>
          )}
          <ol class="versions">
            {versions.map((version) => (
              <li key={version.version}>
                <span>
                  <Time at={version.at} />
                  <span class="soft number"> {absolute(version.at * 1000)}</span>
                </span>
                {version.current ? (
                  <b>current</b>
                ) : (
                  <button type="button" onClick={() => choose(version)}>
                    Compare<span class="visually-hidden"> {absolute(version.at * 1000)}</span>
                  </button>
                )}
              </li>
            ))}
          </ol>
          {chosen.value && (
            <Confirm
              title={`Back to ${absolute(chosen.value.version.at * 1000)}?`}
              action="Roll back"
              wide
              act={() => save(chosen.value?.text ?? "")}
              close={() => {
                chosen.value = null;
              }}
            >
              <p>It is stored as a new version, and the history stays.</p>
              {draft.isChanged.value && <p>Your unsaved changes are discarded.</p>}
              <Diff
                label="From the current document to that one"
                before={draft.saved.value.text}
                after={chosen.value.text}
              />
            </Confirm>
          )}
        </>
      )}
    </Loaded>
  );
}
