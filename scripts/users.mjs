/**
 * `npm run users -- COMMAND TENANT [NAME]`: accounts for sign-in by password, for people.
 *
 *   add TENANT NAME       a new one; --email, --name and --groups a,b say more
 *   password TENANT NAME  a new password
 *   list TENANT           who there is
 *   show TENANT NAME      the account, without what is stored of the password
 *   disable TENANT NAME   nobody signs in with it
 *   enable TENANT NAME
 *   delete TENANT NAME
 *
 * The password is asked for, or read from standard input. Accounts are kept in the KV namespace USERS,
 * else where tenants' documents are: of this machine's development server, or with --remote of the
 * deployment.
 */
import { parseArgs } from "node:util";
import { accountPrefix, mustBePassword, profile, userName } from "./accounts.mjs";
import { askPassword } from "./ask-password.mjs";
import { openPasswords } from "./passwords.mjs";
import { Fault, main, say } from "./progress.mjs";
import { setUp } from "./setup.mjs";
import { openStore, STORE_OPTIONS } from "./tenant-store.mjs";

/** @typedef {import("./tenant-store.mjs").Store} Store */
/** @typedef {import("./accounts.mjs").Account} Account */

/** An account on the command line. @typedef {{ store: Store, key: string, user: string }} Meant */
/** @typedef {(meant: Meant) => Promise<void> | void} Act */

const PROFILE_OPTIONS = /** @type {const} */ ({
  email: { type: "string" },
  name: { type: "string" },
  groups: { type: "string" },
});

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { ...STORE_OPTIONS, ...PROFILE_OPTIONS },
    allowPositionals: true,
  });
  const [command, tenant, name, ...rest] = positionals;
  const commands = /** @type {Record<string, Act | undefined>} */ ({
    add: (meant) => add(meant, values),
    password: changePassword,
    show,
    disable: (meant) => change(meant, { disabled: true }, "disabled"),
    enable: (meant) => change(meant, { disabled: undefined }, "enabled"),
    delete: remove,
  });
  const act = commands[command];
  if (!act && command !== "list") {
    throw new Fault(`Use one of: ${[...Object.keys(commands), "list"].join(", ")}.`);
  }
  // A password that somebody put there is not taken, and is not repeated either.
  if (rest.length > 0) throw new Fault("After the user's name only options follow.");
  const prefix = accountPrefix(tenant);
  const user = act ? userName(name) : "";
  await setUp();
  const store = openStore(values, ["USERS", "TENANTS", "TENANTS_DB"]);
  try {
    if (act) await act({ store, key: `${prefix}${user}`, user });
    else for (const key of await store.names(prefix)) say(key.slice(prefix.length));
  } finally {
    await store.close();
  }
});

/**
 * @param {Meant} meant
 * @param {Record<string, unknown>} options
 */
async function add({ store, key, user }, options) {
  const more = profile(options);
  if ((await store.get(key)) !== null) throw new Fault(`${user} has an account already.`);
  const password = await hashed();
  await put(store, key, { user, ...more, password, changed: now() });
  say(`${user}: added.`);
}

/** @param {Meant} meant */
async function changePassword(meant) {
  const account = await stored(meant);
  await put(meant.store, meant.key, {
    ...account,
    password: await hashed(),
    changed: after(account),
  });
  say(`${meant.user}: has a new password.`);
}

/** @param {Meant} meant */
async function show(meant) {
  const { password, ...account } = await stored(meant);
  const cost = (await openPasswords()).cost(password);
  const kept = cost
    ? `argon2id, ${cost.memory} KiB, ${cost.passes} passes`
    : "none that can be read";
  say(JSON.stringify({ ...account, password: kept }, null, 2));
}

/**
 * @param {Meant} meant
 * @param {Partial<Account>} changes
 * @param {string} what
 */
async function change(meant, changes, what) {
  const account = await stored(meant);
  await put(meant.store, meant.key, { ...account, ...changes, changed: after(account) });
  say(`${meant.user}: ${what}.`);
}

/** @param {Meant} meant */
async function remove(meant) {
  await stored(meant);
  await meant.store.delete(meant.key);
  say(`${meant.user}: deleted.`);
}

/**
 * @param {Meant} meant
 * @returns {Promise<Account>}
 */
async function stored({ store, key, user }) {
  const text = await store.get(key);
  if (text === null) throw new Fault(`There is no user ${user}.`);
  return JSON.parse(text);
}

/**
 * @param {Store} store
 * @param {string} key
 * @param {Account} account
 */
async function put(store, key, account) {
  await store.put(key, JSON.stringify(account));
}

async function hashed() {
  const passwords = await openPasswords();
  const password = await askPassword();
  mustBePassword(password);
  return passwords.hash(password);
}

/**
 * When a change of an account is said to have been that is made now: each has a later one, or the Worker
 * would take it for an older one.
 * @param {Account} account
 */
function after({ changed }) {
  return Math.max(now(), (changed ?? 0) + 1);
}

function now() {
  return Math.floor(Date.now() / 1000);
}
