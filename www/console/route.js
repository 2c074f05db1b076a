/**
 * Where in the console one is, in the address after the `#`: the server need not know, a page can be
 * sent to somebody else, and the browser's own way back works.
 */
import { signal } from "@preact/signals";

/** @typedef {{ page: string, name: string, query: URLSearchParams }} Route */

export const route = signal(read());

addEventListener("hashchange", () => {
  route.value = read();
});

/** @returns {Route} */
function read() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?", 2);
  const [page, name = ""] = path.split("/");
  return { page: page || "overview", name: decoded(name), query: new URLSearchParams(search) };
}

/** @param {string} name what somebody typed may be no escape at all */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * A way there; the tenant that is looked at stays, unless another is named.
 * @param {string} page
 * @param {string} [name]
 * @param {Record<string, string>} [query]
 */
export function to(page, name = "", query = {}) {
  const search = new URLSearchParams();
  const tenant = query.tenant ?? route.value.query.get("tenant");
  for (const [key, value] of Object.entries({ ...query, tenant }))
    if (value) search.set(key, value);
  const place = name ? `${page}/${encodeURIComponent(name)}` : page;
  return `#/${place}${search.size > 0 ? `?${search}` : ""}`;
}

/**
 * @param {string} page
 * @param {string} [name]
 * @param {Record<string, string>} [query]
 */
export function go(page, name, query) {
  location.hash = to(page, name, query);
}
