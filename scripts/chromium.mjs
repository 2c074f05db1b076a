/** Finds or installs the browser for the tests: the machine's own Chromium. */
import { existsSync } from "node:fs";
import { Fault, step } from "./progress.mjs";
import { output, run } from "./run.mjs";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** @returns {string | undefined} */
export function findChromium() {
  return [process.env.CHROMIUM ?? "", ...PLACES].find((place) => place && existsSync(place));
}

export async function ensureChromium() {
  if (findChromium()) return;
  if (process.getuid?.() !== 0 || output("apt-get", ["--version"]) === null) {
    throw new Fault(
      "Chromium is missing; the tests drive one. Install it, or name it in CHROMIUM.",
    );
  }
  await step("Installing Chromium for the browser tests", "1 min", async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    await run("apt-get", ["update", "-qq"], { env });
    await run("apt-get", ["install", "-y", "-qq", "chromium"], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
  });
}
