/** A visitor of Chainlit without a browser: makes its page's calls, then uses socket.io like it. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { io } from "socket.io-client";
import { Browser } from "../harness/browser.mjs";
import { until } from "../harness/until.mjs";

/** @typedef {{ within: number, attempts: number }} Patience */

export class Visitor {
  #browser;
  #url;
  #patience;
  #headers;
  #base;
  #sessionId = randomUUID();
  /** @type {any} */
  #socket;
  #messageId = "";
  /** Whether the page takes no input, because it waits for an answer. */
  #isLoading = false;

  /**
   * @param {string} url
   * @param {Patience} patience how long to wait for an answer, and how often to reconnect
   * @param {Record<string, string>} [headers] sent along with everything, as a proxy would
   * @param {string} [base] the path at which Chainlit is mounted
   */
  constructor(url, patience, headers = {}, base = "") {
    this.#url = url;
    this.#browser = new Browser(url);
    this.#patience = patience;
    this.#headers = headers;
    this.#base = base;
  }

  async signIn() {
    const headers = this.#headers;
    await this.#browser.fetch(`${this.#base}/`, { headers });
    const path = `${this.#base}/auth/header`;
    const signIn = await this.#browser.fetch(path, { method: "POST", headers });
    if (!signIn.ok) throw new Error(`sign-in: ${signIn.status}`);
    const body = JSON.stringify({ session_id: this.#sessionId });
    const json = { ...headers, "content-type": "application/json" };
    const setCookie = `${this.#base}/set-session-cookie`;
    await this.#browser.fetch(setCookie, { method: "POST", headers: json, body });
  }

  /** Returns the name of the session. */
  async session() {
    return (await this.#browser.json("/_session/me")).handle;
  }

  async connect() {
    const socket = io(this.#url, {
      path: `${this.#base}/ws/socket.io`,
      forceNew: true,
      reconnectionAttempts: this.#patience.attempts,
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
      extraHeaders: { ...this.#headers, cookie: this.#browser.cookie, origin: this.#url },
      auth: {
        clientType: "webapp",
        sessionId: this.#sessionId,
        threadId: "",
        userEnv: "{}",
        chatProfile: "",
      },
    });
    this.#socket = socket;
    // Like in a browser, a socket takes a changed cookie from the jar at the next handshake.
    socket.io.on("reconnect_attempt", () => {
      socket.io.opts.extraHeaders = {
        ...this.#headers,
        cookie: this.#browser.cookie,
        origin: this.#url,
      };
    });
    // As the page does, after every reconnection too.
    socket.on("connect", () => socket.emit("connection_successful"));
    for (const [event, isLoading] of /** @type {const} */ ([
      ["task_start", true],
      ["task_end", false],
    ])) {
      socket.on(event, () => {
        this.#isLoading = isLoading;
      });
    }
    await this.#within(once(this.#socket, "connect"), "connecting");
  }

  /**
   * Sends a message and waits for the whole streamed response.
   * @param {string} text
   * @param {{ isUninterrupted?: boolean, edits?: boolean }} [options] whether it fails if the connection closes
   *   meanwhile; whether it replaces the message before
   * @returns {Promise<string>}
   */
  async sendMessage(text, { isUninterrupted = false, edits = false } = {}) {
    let streamed = "";
    let lose = () => {};
    const onToken = (/** @type {any} */ { token }) => {
      streamed += token;
    };
    this.#socket.on("stream_token", onToken);
    const complete = new Promise((resolve, reject) => {
      lose = () => reject(new Error(`the connection closed before the answer to ${text}`));
      if (isUninterrupted) this.#socket.on("disconnect", lose);
      this.#socket.on("update_message", (/** @type {any} */ message) => {
        const isAnswer = message.type !== "user_message";
        if (isAnswer && message.output?.includes(text)) resolve(message.output);
      });
    });
    if (!edits) this.#messageId = randomUUID();
    this.#socket.emit(edits ? "edit_message" : "client_message", {
      message: {
        id: this.#messageId,
        name: "user",
        type: "user_message",
        output: text,
        createdAt: new Date().toISOString(),
      },
      fileReferences: [],
    });
    const answer = await this.#within(complete, "the answer").finally(() =>
      this.#socket.off("stream_token", onToken).off("update_message").off("disconnect", lose),
    );
    if (!streamed.includes(text)) throw new Error("the answer was not streamed");
    return String(answer).trim();
  }

  /** Loses the connection and reconnects, as after a tunnel or a closed lid. */
  async reconnect() {
    const back = once(this.#socket, "connect");
    this.#socket.io.engine.close();
    await this.#within(back, "reconnecting");
  }

  /** Waits until a connection that the server lost is open again. */
  async isBack() {
    if (this.#socket.connected)
      await this.#within(once(this.#socket, "disconnect"), "losing the server");
    await this.#within(once(this.#socket, "connect"), "reconnecting");
  }

  /** Waits until the page takes input: it is connected, and no answer is under way. */
  async takesInput() {
    await until(() => this.#socket.connected && !this.#isLoading, {
      within: this.#patience.within,
      what: "the page taking input",
    });
  }

  leave() {
    this.#socket?.close();
  }

  /**
   * @template T
   * @param {Promise<T>} promise
   * @param {string} what
   * @returns {Promise<T>}
   */
  #within(promise, what) {
    const { within } = this.#patience;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what} took over ${within} ms`)), within);
      promise.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }
}
