/**
 * For `fetch`: past the cache of the zone, which is keyed on the URL alone and would hand one visitor's answer to
 * the next. It is what the runtime makes of `cache: "no-store"`, without the `Cache-Control` and `Pragma` that this
 * would add to the request.
 */
export const UNCACHED = { cacheTtl: -1, cacheLevel: "bypass" };
