/** Boots a Debian in which systemd is the first process: a container with this machine's programs and network, and its own files. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { canInstall, install } from "../../scripts/debian-tools.mjs";
import { step } from "../../scripts/progress.mjs";
import { output } from "../../scripts/run.mjs";
import { until } from "./until.mjs";

const SYSTEMD = "/usr/lib/systemd/systemd";

/** Maximum time to boot, on a machine whose cores are busy. */
const BOOT_MS = 120_000;

/** Maximum time for a command: npm may have to download everything. */
const COMMAND_MS = 300_000;

/** Folders of a new file system. The others are made at boot. */
const FOLDERS = ["etc", "opt", "root", "tmp", "usr/lib", "var"];

/** Folders that Debian keeps as links to those of `/usr`. */
const LINKS = ["bin", "lib", "lib64", "sbin"];

/** What it shares with this machine, read-only. */
const SHARED = ["/usr", "/etc/alternatives", "/etc/ca-certificates", "/etc/ssl"];

/** Starts a container. Only in a unified hierarchy of control groups does its systemd learn at once that a group is empty. */
const NSPAWN = ["env", "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "systemd-nspawn"];

/** npm's cache, so that no package is downloaded again. */
const NPM_CACHE = path.join(homedir(), ".npm");

/** The environment of its commands. Without the last one npm reaches no registry behind a proxy with its own certificate. */
const ENVIRONMENT = {
  HOME: "/root",
  LANG: "C.UTF-8",
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  npm_config_prefer_offline: "true",
  ...(process.env.NODE_EXTRA_CA_CERTS && {
    NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS,
  }),
};

/** Installs what boots it. Without it the tests that need it are skipped. */
export async function ensureSystemd() {
  if (output("systemd-nspawn", ["--version"]) !== null && existsSync(SYSTEMD)) return;
  if (!canInstall()) return;
  const packages = ["systemd-container", "systemd", "dbus"];
  await step("Installing systemd for the tests", "10 s", () => install(packages));
}

/** Returns why this machine cannot boot one; false if it can. */
export function systemdMissing() {
  if (process.getuid?.() !== 0) return "Booting a container needs root";
  if (!existsSync(SYSTEMD) || output("which", ["npm"]) === null) return "systemd or npm is missing";
  const root = fileSystem();
  const starts = output(NSPAWN[0], [...NSPAWN.slice(1), ...optionsFor(root), "true"]) !== null;
  rmSync(root, { recursive: true, force: true });
  return !starts && "This machine cannot start containers";
}

/** Makes the file system of a Debian that has booted before, so that systemd enables no services by itself. */
function fileSystem() {
  const root = mkdtempSync(path.join(tmpdir(), "vestibule-machine-"));
  // Its users, who are not root, must reach what is in it.
  chmodSync(root, 0o755);
  for (const folder of FOLDERS) mkdirSync(path.join(root, folder), { recursive: true });
  for (const link of LINKS) symlinkSync(`usr/${link}`, path.join(root, link));
  for (const file of ["group", "nsswitch.conf", "os-release", "passwd"]) {
    copyFileSync(path.join("/etc", file), path.join(root, "etc", file));
  }
  // Else it counts as no operating system, although all of /usr is there later.
  copyFileSync("/etc/os-release", path.join(root, "usr/lib/os-release"));
  const npmrc = path.join(homedir(), ".npmrc");
  if (existsSync(npmrc)) copyFileSync(npmrc, path.join(root, "root/.npmrc"));
  const id = path.basename(root).split("").map(hex).join("").slice(-32).padStart(32, "0");
  writeFileSync(path.join(root, "etc/machine-id"), `${id}\n`);
  return root;
}

/** @param {string} character */
function hex(character) {
  return character.charCodeAt(0).toString(16);
}

/** @param {string} root */
function optionsFor(root) {
  const shared = SHARED.filter((folder) => existsSync(folder));
  return [
    ...["--quiet", `--directory=${root}`, `--machine=${path.basename(root).toLowerCase()}`],
    ...["--register=no", "--keep-unit", "--resolv-conf=bind-host", "--console=pipe"],
    ...shared.map((folder) => `--bind-ro=${folder}`),
    ...(existsSync(NPM_CACHE) ? [`--bind=${NPM_CACHE}:${ENVIRONMENT.HOME}/.npm`] : []),
  ];
}

export class SystemdMachine {
  /** Its root folder, as this machine sees it. */
  root = fileSystem();
  /** @type {import("node:child_process").ChildProcess | undefined} */
  #container;
  /** Its first process. */
  #first = 0;

  /**
   * Boots one that is removed when the test ends.
   * @param {{ after: (fn: () => Promise<void>) => void }} t
   */
  static async start(t) {
    const machine = new SystemdMachine();
    t.after(() => machine.#remove());
    await machine.boot();
    return machine;
  }

  /** Boots it, again after {@link powerOff}. */
  async boot() {
    // It ends with this process, even if that is killed.
    const args = ["--pdeathsig=KILL", ...NSPAWN, ...optionsFor(this.root), "--boot"];
    const container = spawn("setpriv", args, { stdio: ["ignore", "pipe", "pipe"] });
    this.#container = container;
    let printed = "";
    for (const stream of [container.stdout, container.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        printed += chunk;
      });
    }
    const children = `/proc/${container.pid}/task/${container.pid}/children`;
    await until(
      async () => {
        if (container.exitCode !== null) throw new Error(`The container ended: ${printed}`);
        this.#first = Number(readFileSync(children, "utf8").trim().split(" ")[0]);
        if (!this.#first) return false;
        const { printed: state } = await this.run("systemctl is-system-running");
        return /^(?:running|degraded)/.test(state);
      },
      { what: "a booted machine", within: BOOT_MS },
    );
  }

  /**
   * Runs commands as root to their end.
   * @param {string} text
   * @returns {Promise<{ printed: string, code: number }>}
   */
  run(text) {
    const variables = Object.entries(ENVIRONMENT).map(([name, value]) => `${name}=${value}`);
    const inside = [`--target=${this.#first}`, "--all", "--wdns=/root", "env", "-i", ...variables];
    return new Promise((resolve) => {
      execFile(
        "nsenter",
        [...inside, "bash", "-c", text],
        { timeout: COMMAND_MS },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : Number(error.code ?? 1);
          resolve({ printed: stdout + stderr, code });
        },
      );
    });
  }

  /** Shuts it down as its operator would. Its files stay. */
  async powerOff() {
    const container = this.#container;
    if (!container || container.exitCode !== null) return;
    const ended = once(container, "exit");
    await this.run("systemctl poweroff");
    await ended;
  }

  async #remove() {
    const container = this.#container;
    if (container && container.exitCode === null && container.signalCode === null) {
      const ended = once(container, "exit");
      // With the first process all others end.
      if (this.#first) process.kill(this.#first, "SIGKILL");
      else container.kill("SIGKILL");
      await ended;
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}
