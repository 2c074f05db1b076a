/** The commands of `npm run users` by the admin API of a Worker (`--remote URL`), which hashes passwords itself. */
import { mustBePassword, profile } from "./accounts.mjs";
import { AdminApi } from "./admin-api.mjs";
import { askPassword } from "./ask-password.mjs";
import { Fault, print } from "./progress.mjs";

/** @typedef {(user: string, options: Record<string, unknown>) => Promise<number>} Command */

/**
 * @param {string} url the Worker's
 * @param {string} tenant
 * @returns {Promise<Record<string, Command>>}
 */
export async function usersByApi(url, tenant) {
  const api = await AdminApi.open(url);
  const query = `?${new URLSearchParams({ tenant })}`;
  const at = (/** @type {string} */ user) => `/users/${encodeURIComponent(user)}${query}`;
  const find = (/** @type {string} */ user) => api.call("GET", at(user), {}, [404]);

  const stored = async (/** @type {string} */ user) => {
    const { status, json } = await find(user);
    if (status === 404) throw new Fault(`There is no user ${user}.`);
    return json;
  };

  const entered = async () => {
    const password = await askPassword();
    mustBePassword(password);
    return password;
  };

  /**
   * @param {string} user
   * @param {object} members
   * @param {string} what
   */
  const change = async (user, members, what) => {
    await stored(user);
    await api.call("PUT", at(user), { json: members });
    print(`${user}: ${what}.`);
    return 0;
  };

  return {
    add: async (user, options) => {
      const more = profile(options);
      if ((await find(user)).status !== 404) throw new Fault(`${user} has an account already.`);
      await api.call("PUT", at(user), { json: { ...more, password: await entered() } });
      print(`${user}: added.`);
      return 0;
    },
    password: async (user) => {
      await stored(user);
      return change(user, { password: await entered() }, "password changed");
    },
    list: async () => {
      const { json } = await api.call("GET", `/users${query}`);
      for (const user of json.users) print(user);
      return 0;
    },
    show: async (user) => {
      print(JSON.stringify(await stored(user), null, 2));
      return 0;
    },
    disable: (user) => change(user, { disabled: true }, "disabled"),
    enable: (user) => change(user, { disabled: false }, "enabled"),
    delete: async (user) => {
      await stored(user);
      await api.call("DELETE", at(user));
      print(`${user}: deleted.`);
      return 0;
    },
  };
}
