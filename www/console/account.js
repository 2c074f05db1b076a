/** Knows the signed-in operator, and the tenants they may see. */
import { batch, computed, signal } from "@preact/signals";
import { ask, get, isOver, Refusal } from "./api.js";
import { count } from "./format.js";
import { route } from "./route.js";

/** @import { Who } from "./backend.d.ts" */

/** The signed-in operator: null if signed out, undefined while loading. */
export const who = signal(/** @type {Who | null | undefined} */ (undefined));

/** The reason if loading failed. */
export const trouble = signal(/** @type {Refusal | undefined} */ (undefined));

/** Existing tenants, if the deployment has documents. */
export const tenants = signal(/** @type {string[]} */ ([]));

/** Whether the operator may see several tenants. */
export const hasTenants = computed(() => seesTenants(who.value));

/** The chosen tenant; empty for all. */
export const tenant = computed(() => {
  if (!hasTenants.value) return who.value?.tenant ?? "";
  const { page, name, query } = route.value;
  if (page === "tenants" && tenants.value.includes(name)) return name;
  const named = query.get("tenant") ?? "";
  return named || (tenants.value.length === 1 ? tenants.value[0] : "");
});

/**
 * Formats the number of followed connections. Without any, they probably pass through unless the deployment follows them.
 * @param {number} number
 */
export function followedText(number) {
  return number > 0 || who.value?.streams === "revocable" ? count(number) : "not followed";
}

export async function loadAccount() {
  trouble.value = undefined;
  try {
    await requestAccount();
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
  await requestAccount();
  isOver.value = false;
}

export async function signOut() {
  await ask("POST", "admin/sign-out");
  // A reload removes all data from memory.
  location.reload();
}

export async function listTenants() {
  if (hasTenants.value) tenants.value = (await get("admin/tenants")).tenants;
}

/** Loads the operator and the tenants before a page shows either: without tenants a page would say that there are none. */
async function requestAccount() {
  const account = /** @type {Who} */ (await get("admin/whoami"));
  const listed = seesTenants(account) ? (await get("admin/tenants")).tenants : [];
  batch(() => {
    who.value = account;
    tenants.value = listed;
  });
}

/** @param {Who | null | undefined} account */
function seesTenants(account) {
  return account?.scope === "deployment" && account.documents === true;
}
