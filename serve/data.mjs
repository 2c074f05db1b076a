/** Prepares the data folder: one process at a time, and only its own user reads it. */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Failure } from "./exit.mjs";

/** Maximum length of a Unix socket's path on every system, in bytes. */
const MAX_SOCKET = 100;

export class DataFolder {
  /** Id of this folder and its objects. */
  id;
  #lock;
  #folder;

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
    const socket = path.join(folder, "run/control.sock");
    if (Buffer.byteLength(socket) > MAX_SOCKET)
      throw new Failure("usage", `--data: ${folder} is too long a path for sockets in it.`);
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      this.#lock = locked(path.join(folder, "lock"));
      // Sockets of a killed process would be in the way.
      rmSync(this.run, { recursive: true, force: true });
      for (const one of [this.run, this.objects]) mkdirSync(one, { recursive: true, mode: 0o700 });
      this.id = this.#kept("id", () => randomBytes(16).toString("hex"));
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure("unavailable", `--data: ${/** @type {Error} */ (error).message}`);
    }
  }

  /** Folder of sockets and the runtime's configuration, new for each process. */
  get run() {
    return path.join(this.#folder, "run");
  }

  /** Folder of the objects' storage. */
  get objects() {
    return path.join(this.#folder, "objects");
  }

  get kv() {
    return path.join(this.#folder, "kv.sqlite");
  }

  /** File with the process id of the runtime. */
  get pid() {
    return path.join(this.#folder, "runtime.pid");
  }

  /** Returns the keys of this folder's sessions; they are made at the first start. */
  sessionKeys() {
    return this.#kept("session-keys", () => randomBytes(32).toString("base64url"));
  }

  close() {
    rmSync(this.run, { recursive: true, force: true });
    this.#lock.close();
  }

  /** @param {string} name @param {() => string} make */
  #kept(name, make) {
    const file = path.join(this.#folder, name);
    if (!existsSync(file)) writeFileSync(file, `${make()}\n`, { mode: 0o600 });
    return readFileSync(file, "utf8").trim();
  }
}

/** Locks a file until this process ends, however it ends. @param {string} file */
function locked(file) {
  const lock = new DatabaseSync(file);
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return lock;
  } catch {
    lock.close();
    throw new Failure(
      "unavailable",
      `Another process serves the data in ${path.dirname(file)}. Stop it, or name another folder with --data.`,
    );
  }
}
