/** Finds or installs the browsers of the tests: the machine's own, or those of Debian's packages. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { canInstall, install } from "./debian-tools.mjs";
import { Fault, print, step } from "./progress.mjs";

const CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Debian's, and Mozilla's package. Ubuntu's `/usr/bin/firefox` is none of them: it starts a snap. */
const FIREFOX = ["/usr/bin/firefox-esr", "/usr/lib/firefox/firefox"];

/** WebKit's driver, and the display that its browser draws on. */
const WEBKIT_DRIVER = "/usr/bin/WebKitWebDriver";
const DISPLAY = "/usr/bin/Xvfb";

/** @returns {string | undefined} */
export function findChromium() {
  return [process.env.CHROMIUM ?? "", ...CHROMIUM].find((place) => place && existsSync(place));
}

/** @returns {string | undefined} */
export function findFirefox() {
  return [process.env.FIREFOX ?? "", ...FIREFOX].find((place) => place && existsSync(place));
}

/** Returns the programs of WebKitGTK. @returns {{ driver: string, display: string, browser: string } | undefined} */
export function findWebKit() {
  const browser = miniBrowser();
  if (!browser || !existsSync(WEBKIT_DRIVER) || !existsSync(DISPLAY)) return undefined;
  return { driver: WEBKIT_DRIVER, display: DISPLAY, browser };
}

/** Returns the small browser beside WebKitGTK's library: `/usr/lib/<machine>/webkit2gtk-4.1/MiniBrowser`. */
function miniBrowser() {
  const folders = (/** @type {string} */ folder) =>
    existsSync(folder)
      ? readdirSync(folder, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map(({ name }) => path.join(folder, name))
      : [];
  return folders("/usr/lib")
    .filter((folder) => folder.endsWith("-linux-gnu"))
    .flatMap(folders)
    .filter((folder) => /^webkit2?gtk/.test(path.basename(folder)))
    .map((folder) => path.join(folder, "MiniBrowser"))
    .find(existsSync);
}

export async function ensureChromium() {
  if (findChromium()) return;
  if (!canInstall()) {
    throw new Fault(
      "Chromium is missing; the tests drive one. Install it, or name it in CHROMIUM.",
    );
  }
  await step("Installing Chromium for the browser tests", "1 min", () =>
    install(["chromium"], { recommended: true }),
  );
}

/** Why tests with Firefox are skipped. */
export const FIREFOX_MISSING =
  "Firefox is missing: install Debian's firefox-esr, or name it in FIREFOX";

/** Why tests with WebKit are skipped. */
export const WEBKIT_MISSING = "WebKit is missing: install Debian's webkit2gtk-driver and xvfb";

/** Installs the browsers without which tests are skipped. */
export async function ensureFirefoxAndWebKit() {
  const wanted = [
    ...(findFirefox() ? [] : ["firefox-esr"]),
    ...(findWebKit() ? [] : ["webkit2gtk-driver", "xvfb"]),
  ];
  if (wanted.length === 0) return;
  try {
    if (!canInstall()) throw new Fault("This user cannot install packages.");
    await step("Installing Firefox and WebKit for the browser tests", "40 s", () =>
      install(wanted),
    );
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (!findFirefox()) print(`• ${FIREFOX_MISSING}. Tests with it are skipped.`);
    if (!findWebKit()) print(`• ${WEBKIT_MISSING}. Tests with it are skipped.`);
  }
}
