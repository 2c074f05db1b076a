/**
 * Keeps the current page in the URL's fragment: the server does not see it, a page can be shared, and
 * the browser's back button works.
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

/** @param {string} name possibly typed, with invalid escapes */
function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

/**
 * Returns a link to a page; it keeps the chosen tenant unless another is named.
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
