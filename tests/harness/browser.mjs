/** A cookie jar around fetch: the part of a browser that most tests need. */

export class Browser {
  /** @type {Map<string, string>} */
  jar = new Map();
  #url;

  /** @param {string} url */
  constructor(url) {
    this.#url = url;
  }

  get cookie() {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** Returns the session cookie's value. */
  get session() {
    return this.jar.get("vestibule-session") ?? "";
  }

  /**
   * @param {string} path
   * @param {RequestInit & { duplex?: "half" }} [init]
   */
  async fetch(path, init = {}) {
    const headers = new Headers(init.headers);
    if (this.jar.size > 0) headers.set("cookie", this.cookie);
    const response = await fetch(this.#url + path, { redirect: "manual", ...init, headers });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";");
      const [name, value] = pair.split(/=(.*)/s);
      if (attributes.some((attribute) => attribute.trim() === "Max-Age=0")) this.jar.delete(name);
      else this.jar.set(name, value);
    }
    return response;
  }

  /**
   * Points the browser's next requests at another URL.
   * @param {string} url
   */
  moveTo(url) {
    this.#url = url;
  }

  /** @param {string} path */
  async json(path) {
    return (await this.fetch(path)).json();
  }
}
