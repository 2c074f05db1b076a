/**
 * `npm run users -- COMMAND TENANT [NAME]`: manages accounts for sign-in by password.
 *
 *   add TENANT NAME       creates an account, with --email, --name and --groups a,b
 *   password TENANT NAME  sets a new password
 *   list TENANT           lists the accounts
 *   show TENANT NAME      prints the account without the password hash
 *   disable TENANT NAME   refuses its sign-ins
 *   enable TENANT NAME
 *   delete TENANT NAME
 *
 * The password comes from the terminal or from standard input. Accounts are in the KV namespace USERS if it
 * is bound, else in the store of tenants' documents: of this machine's development server, or with --remote
 * of the deployment; or they are those of the Worker at a URL.
 */
import "./node-version.mjs";
import { accountPrefix, mustBePassword, profile, userName } from "./accounts.mjs";
import { askPassword } from "./ask-password.mjs";
import { readCommandLine } from "./command-line.mjs";
import { openPasswords } from "./passwords.mjs";
import { hasSources } from "./places.mjs";
import { Fault, main, print } from "./progress.mjs";
import { packages } from "./setup.mjs";
import { openStore, STORE_OPTIONS, STORE_USAGE } from "./tenant-store.mjs";
import { usersByApi } from "./users-by-api.mjs";

/** @typedef {import("./tenant-store.mjs").Store} Store */
/** @typedef {import("./accounts.mjs").Account} Account */

/** An account on the command line. @typedef {{ store: Store, key: string, user: string }} Meant */
/** @typedef {(meant: Meant) => Promise<void> | void} Act */

const TEXT = /** @type {const} */ ({ type: "string" });

const SHAPE = {
  name: "npm run users",
  usage: `Usage: npm run users -- COMMAND TENANT [NAME] [options]
  add TENANT NAME       creates an account
  password TENANT NAME  sets a new password
  list TENANT           lists the accounts
  show TENANT NAME      prints the account without the password hash
  disable TENANT NAME   refuses its sign-ins
  enable TENANT NAME    allows them again
  delete TENANT NAME    deletes the account
The password is asked for, or comes from standard input. It is never an argument.
Options of add:
  --email ADDRESS  the user's email address
  --name NAME      the display name
  --groups a,b     groups, with commas between them
Options:
${STORE_USAGE}`,
  options: { ...STORE_OPTIONS, email: TEXT, name: TEXT, groups: TEXT },
  commands: {
    add: "TENANT NAME",
    password: "TENANT NAME",
    list: "TENANT",
    show: "TENANT NAME",
    disable: "TENANT NAME",
    enable: "TENANT NAME",
    delete: "TENANT NAME",
  },
  onWord: () => ". Only options follow; a password is never an argument.",
};

await main(async () => {
  const { values, words } = readCommandLine(SHAPE);
  const [command, tenant, name] = words;
  const prefix = accountPrefix(tenant);
  const user = name === undefined ? "" : userName(name);
  if (hasSources()) await packages(new AbortController().signal);
  if (typeof values.remote === "string") {
    const commands = await usersByApi(values.remote, tenant);
    return commands[command](user, values);
  }
  const commands = /** @type {Record<string, Act>} */ ({
    add: (meant) => add(meant, values),
    password: changePassword,
    show,
    disable: (meant) => change(meant, { disabled: true }, "disabled"),
    enable: (meant) => change(meant, { disabled: undefined }, "enabled"),
    delete: remove,
    list: async ({ store }) => {
      for (const key of await store.names(prefix)) print(key.slice(prefix.length));
    },
  });
  const store = openStore(values, ["USERS", "TENANTS", "TENANTS_DB"]);
  try {
    await commands[command]({ store, key: `${prefix}${user}`, user });
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
  print(`${user}: added.`);
}

/** @param {Meant} meant */
async function changePassword(meant) {
  const account = await stored(meant);
  await put(meant.store, meant.key, {
    ...account,
    password: await hashed(),
    changed: after(account),
  });
  print(`${meant.user}: password changed.`);
}

/** @param {Meant} meant */
async function show(meant) {
  const { password, ...account } = await stored(meant);
  const cost = (await openPasswords()).cost(password);
  const kept = cost ? `argon2id, ${cost.memory} KiB, ${cost.passes} passes` : "unreadable";
  print(JSON.stringify({ ...account, password: kept }, null, 2));
}

/**
 * @param {Meant} meant
 * @param {Partial<Account>} changes
 * @param {string} what
 */
async function change(meant, changes, what) {
  const account = await stored(meant);
  await put(meant.store, meant.key, { ...account, ...changes, changed: after(account) });
  print(`${meant.user}: ${what}.`);
}

/** @param {Meant} meant */
async function remove(meant) {
  await stored(meant);
  await meant.store.delete(meant.key);
  print(`${meant.user}: deleted.`);
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
 * Returns the time of a change made now. Each change has a later time, or the Worker would treat it as an
 * older one.
 * @param {Account} account
 */
function after({ changed }) {
  return Math.max(now(), (changed ?? 0) + 1);
}

function now() {
  return Math.floor(Date.now() / 1000);
}
