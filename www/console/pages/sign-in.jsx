/** Signs in with the deployment's admin token, or a tenant's. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { signIn } from "../account.js";
import { Refusal } from "../api.js";
import { Dialog } from "../parts/dialog.jsx";
import { Arch } from "../parts/icon.jsx";

export function SignInPage() {
  return (
    <main class="outside">
      <div class="welcome">
        <Arch />
        <h1>Vestibule console</h1>
        <SignIn />
      </div>
    </main>
  );
}

/** Shows the sign-in over the current page, so that no input there is lost. */
export function SignInAgain() {
  return (
    <Dialog title="You are signed out">
      <p>Sign in again to continue where you were. Your input is kept.</p>
      <SignIn />
    </Dialog>
  );
}

function SignIn() {
  const fault = useSignal("");
  const isBusy = useSignal(false);
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  // The page has no other purpose.
  useEffect(() => input.current?.focus(), []);
  const submit = async (/** @type {SubmitEvent & { currentTarget: HTMLFormElement }} */ event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("token"));
    isBusy.value = true;
    fault.value = "";
    try {
      await signIn(field.value);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      fault.value = reason(error);
      field.select();
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <form class="sign-in" onSubmit={submit}>
      {/* Password stores ask for a name to keep it under. */}
      <input
        class="visually-hidden"
        name="username"
        autocomplete="username"
        value="vestibule-console"
        readOnly
        tabIndex={-1}
        aria-hidden="true"
      />
      <label>
        <span>Admin token</span>
        <input
          ref={input}
          name="token"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="token-help token-fault"
          aria-invalid={fault.value ? "true" : undefined}
        />
      </label>
      <p class="soft" id="token-help">
        The Worker's secret <code>ADMIN_TOKEN</code>, or a tenant's own token. Under a tenant's host
        both show that tenant only. You are signed out 30 minutes after the last use.
      </p>
      <p class="fault" role="alert" id="token-fault">
        {fault.value}
      </p>
      <button type="submit" class="main" disabled={isBusy.value}>
        {isBusy.value ? "Signing in …" : "Sign in"}
      </button>
    </form>
  );
}

/** @param {Refusal} refusal */
function reason({ status, message, wait }) {
  if (status === 401) return "This token is wrong.";
  if (status === 429)
    return `There were too many attempts. Try again in ${wait > 0 ? `${wait} s` : "a minute"}.`;
  return message;
}
