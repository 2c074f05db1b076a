/** The address of Vestibule, which is also that of the site as browsers see it. */

import { Misconfigured } from "./errors.ts";

/** Returns the origin of Vestibule's address, without the path of a tenant. Throws `Misconfigured` for what is none. */
export function siteOf(url: string): string {
  const site = URL.canParse(url) ? new URL(url) : undefined;
  if (!site || !/^https?:$/.test(site.protocol)) {
    throw new Misconfigured(
      "The address of Vestibule must be an http or https URL, such as https://chat.example. " +
        "Set VESTIBULE_URL to the address that browsers use.",
    );
  }
  return site.origin;
}
