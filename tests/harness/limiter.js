/** The platform's rate limiter as a binding: two requests for each key. For one key it never responds. */
class Ratelimit {
  #counted = new Map();

  /** @param {{ key: string }} of */
  async limit({ key }) {
    if (key === "192.0.2.99") return new Promise(() => {});
    const count = (this.#counted.get(key) ?? 0) + 1;
    this.#counted.set(key, count);
    return { success: count <= 2 };
  }
}

export default () => new Ratelimit();
