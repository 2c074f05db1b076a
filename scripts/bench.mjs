/**
 * `npm run bench`: measures the cost of a request in several variants, and compares it with the goals.
 *
 * First processor time: each variant is a workerd of its own under the same load from wrk, one
 * connection count, in interleaved rounds; the figure is user and system time of the process over the
 * requests counted, as a ratio to the barest Worker. That is far steadier than requests per second.
 * Young isolates, messages of WebSockets and event streams are measured in a similar way. Then it counts each variant's
 * storage operations under the profiles, and Cloudflare's price for them; the instructions of the core; the sizes of
 * records and of the wasm; and the time of a start.
 */
import "./node-version.mjs";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { benchNative } from "./bench-native.mjs";
import { measureAnchors, PARTS, printReport, TIMED } from "./bench-parts.mjs";
import { build } from "./build.mjs";
import { readCommandLine, wholeNumber } from "./command-line.mjs";
import { ensureTools } from "./debian-tools.mjs";
import { near } from "./nearest.mjs";
import { Fault, main, print, step } from "./progress.mjs";
import { exitCode } from "./run.mjs";
import { NODE, packages, ROOT } from "./setup.mjs";

const USAGE = `Usage: npm run bench [-- OPTION …]
       npm run bench -- EXPERIMENT [OPTION …]    as node bench/EXPERIMENT.mjs, such as soak
Measures the cost of a request in several variants, in about 25 minutes. Writes nothing without --record.
  --only A,B      measures some parts: ${Object.keys(PARTS).join(", ")}
  --anchors       measures the latency of the whole way instead, with nginx and HAProxy for comparison
  --native        measures the core alone: instructions and allocations of its cases, with their bounds
  --scale         measures what grows with sessions, tenants, origins and sockets (names for --only), in 15 minutes
  --rounds 11     number of rounds (7 with --scale)
  --seconds 2     seconds of a round
  --quick         one round of a second of messages, records, wasm and starts
  --record        writes bench/recorded.json, and the tables and pictures of docs/, unless other programs use the processors
  --help          prints this text`;

/** @typedef {import("../bench/recorded.mjs").Recorded} Recorded */

/** The measurements of a quick run. */
const QUICK_PARTS = ["messages", "records", "wasm", "starts"];

/** The measurements of `--scale`: see bench/scale.mjs. */
const SCALE_PARTS = ["sessions", "tenants", "origins", "sockets"];

const FLAG = /** @type {const} */ ({ type: "boolean" });
const SHAPE = {
  name: "npm run bench",
  usage: USAGE,
  options: {
    rounds: { type: /** @type {const} */ ("string"), ...wholeNumber(1, 1000) },
    seconds: { type: /** @type {const} */ ("string"), ...wholeNumber(1, 3600) },
    only: {
      type: /** @type {const} */ ("string"),
      takes: "names of parts, with commas between them",
    },
    anchors: FLAG,
    native: FLAG,
    scale: FLAG,
    quick: FLAG,
    record: FLAG,
  },
};

await main(async () => {
  const [first, ...rest] = process.argv.slice(2);
  if (first !== undefined && !first.startsWith("-")) return experiment(first, rest);
  const { values } = readCommandLine(SHAPE);
  if (values.quick && values.record) throw new Fault("A quick run is not recorded: leave one out.");
  const { anchors, scale, quick } = values;
  const { rounds = quick ? 1 : scale ? 7 : 11, seconds = quick ? 1 : 2 } = values;
  const known = anchors ? [] : scale ? SCALE_PARTS : Object.keys(PARTS);
  const parts = values.only?.split(",") ?? (quick && !anchors && !scale ? QUICK_PARTS : known);
  const unknown = parts.filter((/** @type {string} */ part) => !known.includes(part));
  if (unknown.length > 0) {
    const usable = known.length > 0 ? `Use some of: ${known.join(", ")}.` : "Leave --only out.";
    throw new Fault(`--only names unknown parts: ${unknown.join(", ")}. ${usable}`);
  }
  const { machine, record, recorded } = await import("../bench/recorded.mjs");
  const { besideOthers, othersNow, percent, refusal } = await import("../bench/other-load.mjs");
  const areTimed = anchors || scale || values.native || parts.some(isTimed);
  if (values.record && areTimed) mustBeRecordable(refusal(await othersNow(), "before the start"));
  if (values.native) return benchNative(machine(), values.record);
  await build();
  await ensureTools(anchors ? ["wrk", "nginx", "haproxy"] : ["wrk", "nginx"]);
  const { installPeers } = await import("../bench/bundle.mjs");
  if (!scale || parts.includes("sockets")) await installPeers();
  const { startOrigin } = await import("../bench/origin.mjs");
  const { writeDocuments } = await import("../bench/documents.mjs");

  let results = recorded();
  /** @type {string[]} */
  const refused = [];
  /**
   * Measures a part. It is recorded at once, with its tables, so that it is kept even if a later one fails.
   * @param {string} what
   * @param {boolean} isDisturbed whether other programs change its figures
   * @param {(made: import("../bench/recorded.mjs").Made) => Promise<Partial<Recorded>>} measure
   */
  const keep = async (what, isDisturbed, measure) => {
    const made = { ...machine(), rounds, seconds };
    const { result, others } = await besideOthers(() => measure(made));
    // The part has the same object. How busy others were is known once it is measured.
    Object.assign(made, { others: Number(others.toFixed(3)) });
    results = { ...results, ...result };
    if (isDisturbed) print(`  Meanwhile other programs used ${percent(others)} of the processors.`);
    if (!values.record) return;
    const why = isDisturbed ? refusal(others, `while "${what}" was measured`) : undefined;
    if (why) return refused.push(why);
    record(result);
    writeDocuments(recorded());
  };
  const origin = await startOrigin();
  try {
    if (anchors) {
      await keep("anchors", true, async (made) => ({
        anchors: { made, table: await measureAnchors(origin.port, made) },
      }));
    } else if (scale) {
      const { measureScale } = await import("../bench/scale.mjs");
      await keep("scale", true, async (made) => ({
        scale: await measureScale(parts, origin.port, made, step, results.scale),
      }));
    } else {
      for (const part of parts) {
        await keep(part, isTimed(part), (made) => PARTS[part](origin.port, made));
      }
    }
  } finally {
    await origin.stop();
  }
  await printReport(results, anchors ? ["anchors"] : scale ? ["scale"] : parts);
  if (!values.record) return print("Nothing was written. With --record, docs/ gets these figures.");
  print(
    "Results are in bench/recorded.json, the tables of docs/, and docs/internals/bench.svg, goals.svg and scale.svg.",
  );
  mustBeRecordable(refused.length > 0 ? `Not recorded:\n${refused.join("\n")}` : undefined);
});

/** @param {string} part */
function isTimed(part) {
  return TIMED.includes(part);
}

/** @param {string | undefined} why it is not */
function mustBeRecordable(why) {
  if (why) throw new Fault(why);
}

/**
 * Runs an experiment by the Node of the packages, once these are installed.
 * @param {string} name
 * @param {string[]} args
 */
async function experiment(name, args) {
  const file = path.join(ROOT, "bench", `${name}.mjs`);
  if (!experiments().includes(name)) {
    const names = experiments();
    const meant = near(name, names);
    const cure = meant ? `Did you mean ${meant}?` : `Use one of: ${names.join(", ")}.`;
    throw new Fault(`There is no experiment "${name}". ${cure}\n\nHelp: npm run bench -- --help`);
  }
  await packages(new AbortController().signal);
  return (await exitCode(NODE, [file, ...args])) ?? 1;
}

/** Returns the names of the scripts in bench/ that are experiments. */
function experiments() {
  const folder = path.join(ROOT, "bench");
  const isOne = (/** @type {string} */ file) =>
    /^await experiment\(/m.test(readFileSync(path.join(folder, file), "utf8"));
  const files = readdirSync(folder).filter((file) => file.endsWith(".mjs"));
  return files.filter(isOne).map((file) => path.basename(file, ".mjs"));
}
