/** Who is signed in here, and what that shows. */
import { computed, signal } from "@preact/signals";
import { ask, get, isOver, Refusal } from "./api.js";
import { route } from "./route.js";

/** @import { Who } from "./backend.d.ts" */

/** Null: nobody. Undefined: that is being asked. */
export const who = signal(/** @type {Who | null | undefined} */ (undefined));

/** Why it could not be asked. */
export const trouble = signal(/** @type {Refusal | undefined} */ (undefined));

/** The tenants there are, where there are documents of them. */
export const tenants = signal(/** @type {string[]} */ ([]));

/** Whether several tenants can be looked at from here. */
export const hasTenants = computed(
  () => who.value?.scope === "deployment" && who.value.documents === true,
);

/** The tenant that is looked at; empty for all together. */
export const tenant = computed(() => {
  if (!hasTenants.value) return who.value?.tenant ?? "";
  const { page, name, query } = route.value;
  if (page === "tenants" && tenants.value.includes(name)) return name;
  const named = query.get("tenant") ?? "";
  return named || (tenants.value.length === 1 ? tenants.value[0] : "");
});

export async function recall() {
  trouble.value = undefined;
  try {
    await learn();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status === 401) who.value = null;
    else trouble.value = error;
  }
  isOver.value = false;
}

/** @param {string} token */
export async function signIn(token) {
  await ask("POST", "admin/sign-in", { body: { token } });
  await learn();
  isOver.value = false;
}

export async function signOut() {
  await ask("POST", "admin/sign-out");
  // Nothing that was known stays in memory.
  location.reload();
}

export async function listTenants() {
  if (hasTenants.value) tenants.value = (await get("admin/tenants")).tenants;
}

async function learn() {
  who.value = await get("admin/whoami");
  await listTenants();
}
