/**
 * Ends a command with one sentence if Node is too old. Entry points import it first, because later modules use what old
 * versions lack. So it uses nothing newer than Node 14 itself.
 */
import { readFileSync } from "node:fs";

const { engines } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const needed = engines.node.replace(/[^\d.]/g, "");

/** @param {string} version */
const numberOf = (version) => {
  const [major, minor = "0"] = version.split(".");
  return Number(major) * 1000 + Number(minor);
};

if (numberOf(process.versions.node) < numberOf(needed)) {
  process.stderr.write(
    `Node.js ${needed} or newer is needed, this is ${process.versions.node}. Get it from https://nodejs.org and run this again.\n`,
  );
  process.exit(1);
}
