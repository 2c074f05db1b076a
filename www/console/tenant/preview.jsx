/** Previews the tenant's pages while the document is edited. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address } from "../api.js";

/** @import { Draft } from "./draft.js" */

const PAGES = {
  "sign-in": "Sign in",
  "sign-out": "Sign out",
  problem: "Problem",
  waiting: "Waiting",
};

/** Delay of the preview, in milliseconds: updating at each letter would flicker. */
const CALM = 700;

/** @param {{ draft: Draft }} props */
export function Preview({ draft }) {
  const page = useSignal("sign-in");
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  /** Each page gets a new frame: in one frame they would add entries to the browser's history. */
  const frame = useSignal(0);
  const chosen = useRef("");
  const sound = draft.sound.value;
  useEffect(() => {
    const isTyped = chosen.current === page.value;
    chosen.current = page.value;
    const next = () => {
      frame.value += 1;
    };
    const timer = setTimeout(next, isTyped ? CALM : 0);
    return () => clearTimeout(timer);
  }, [sound, page.value]);
  useEffect(() => {
    if (frame.value > 0) form.current?.submit();
  }, [frame.value]);
  return (
    <>
      {/* Only a form can ask for a page by POST and show it in a frame. */}
      <form
        ref={form}
        method="post"
        action={address("admin/preview")}
        target="preview-frame"
        hidden
      >
        <input type="hidden" name="document" value={sound} />
        <input type="hidden" name="page" value={page.value} />
      </form>
      <fieldset class="switch">
        <legend class="visually-hidden">Which page</legend>
        {Object.entries(PAGES).map(([name, label]) => (
          <label key={name}>
            <input
              type="radio"
              name="preview-page"
              checked={page.value === name}
              onChange={() => {
                page.value = name;
              }}
            />
            {label}
          </label>
        ))}
      </fieldset>
      <iframe
        key={frame.value}
        class="preview"
        name="preview-frame"
        title="Preview of the page"
        sandbox=""
      />
      {draft.reading.value.mistake && (
        <p class="soft">The preview shows the last text without a mistake.</p>
      )}
    </>
  );
}
