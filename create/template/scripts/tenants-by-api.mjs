/** The commands of `npm run tenants` by the admin API of a Worker (`--remote URL`), which validates documents itself. */
import { AdminApi } from "./admin-api.mjs";
import { Fault, print } from "./progress.mjs";
import { contents, idOf, printDifference } from "./tenant-files.mjs";

/** @typedef {Record<string, (words: string[]) => Promise<number>>} Commands */

/**
 * @param {string} url the Worker's
 * @returns {Promise<Commands>}
 */
export async function tenantsByApi(url) {
  const api = await AdminApi.open(url);
  const at = (/** @type {string} */ id) => `/tenants/${encodeURIComponent(id)}`;

  const stored = async (/** @type {string} */ id) => {
    const answer = await api.call("GET", at(id), {}, [404]);
    if (answer.status === 404) throw new Fault(`There is no tenant ${id}.`);
    return answer;
  };

  const validate = async (/** @type {string[]} */ files) => {
    let isAllGood = true;
    for (const file of files) {
      const { status, json } = await api.call(
        "POST",
        "/tenants/validate",
        { text: contents(file) },
        [400],
      );
      const faults = status === 400 ? [{ path: "", problem: json.detail }] : json.faults;
      const lines = faults.map(
        (/** @type {any} */ one) => `\n  ${one.path ? `${one.path}: ` : ""}${one.problem}`,
      );
      print(lines.length === 0 ? `${file}: ${idOf(file)} is good.` : `${file}:${lines.join("")}`);
      isAllGood &&= lines.length === 0;
    }
    return isAllGood ? 0 : 1;
  };

  const put = async (/** @type {string[]} */ files) => {
    if ((await validate(files)) !== 0) return 1;
    for (const file of files) {
      const id = idOf(file);
      await api.call("PUT", at(id), { text: contents(file) });
      print(`${id}: stored; takes effect everywhere within two minutes.`);
    }
    return 0;
  };

  /** Returns the parameter that selects a host's tenant; empty without documents. @param {string} host */
  const selection = async (host) => {
    const { status, json } = await api.call("GET", "/tenants", {}, [404]);
    if (status === 404) return "";
    const [name] = host.toLowerCase().split(":");
    let best = { length: 0, id: "" };
    for (const id of json.tenants) {
      for (const pattern of (await stored(id)).json.hosts ?? []) {
        // The longest pattern wins, as in the Worker.
        const isIts =
          pattern === name || (pattern.startsWith("*.") && name.endsWith(pattern.slice(1)));
        if (isIts && pattern.length > best.length) best = { length: pattern.length, id };
      }
    }
    if (best.id === "") throw new Fault(`No tenant has the host ${host}: requests get 421.`);
    return `?${new URLSearchParams({ tenant: best.id })}`;
  };

  return {
    validate,
    put,
    get: async ([id]) => {
      print((await stored(id)).text);
      return 0;
    },
    list: async () => {
      const { json } = await api.call("GET", "/tenants");
      for (const id of json.tenants) {
        print(`${id.padEnd(20)} ${((await stored(id)).json.hosts ?? []).join(", ")}`);
      }
      return 0;
    },
    diff: async ([file]) => {
      const { status, text } = await api.call("GET", at(idOf(file)), {}, [404]);
      return printDifference(status === 404 ? "" : text, contents(file));
    },
    delete: async ([id]) => {
      const { etag } = await stored(id);
      await api.call("DELETE", at(id), { match: etag });
      print(`${id}: deleted; takes effect everywhere within two minutes.`);
      return 0;
    },
    explain: async ([host, path = "/"]) => {
      // Values of headers select a tenant, too, but their names are the deployment's.
      if (host.includes(";"))
        throw new Fault("With a URL, explain takes a host without values of headers.");
      const question = { method: "GET", url: `https://${host}${path}` };
      const { json } = await api.call("POST", `/explain${await selection(host)}`, {
        json: question,
      });
      print(JSON.stringify(json, null, 2));
      return 0;
    },
    asset: async () => {
      throw new Fault(
        "The admin API stores no files. Use --remote without a URL: it stores them with wrangler's sign-in.",
      );
    },
  };
}
