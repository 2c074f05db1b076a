/** Fills the documents' tables with measured figures, each between two marks, and draws their pictures. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { anchorsInMarkdown } from "./anchors.mjs";
import { experimentInMarkdown } from "./experiment-tables.mjs";
import { goalsAsPicture, goalsInMarkdown } from "./goals.mjs";
import { messagesInMarkdown } from "./messages.mjs";
import { costTables } from "./money.mjs";
import { piecesInMarkdown } from "./native.mjs";
import { operationTables } from "./operation-tables.mjs";
import { percent } from "./other-load.mjs";
import { asPicture, costInMarkdown } from "./report.mjs";
import { scaleTables } from "./scale-model.mjs";
import { scaleAsPicture } from "./scale-picture.mjs";
import { measuredTables } from "./scale-tables.mjs";
import { startsInMarkdown } from "./starts.mjs";
import { youngInMarkdown } from "./young.mjs";

const DOCS = path.resolve(import.meta.dirname, "../docs");

/**
 * Returns every table by document and mark.
 * @param {import("./recorded.mjs").Recorded} recorded
 * @returns {Record<string, Record<string, string>>}
 */
function tables(recorded) {
  const { made, cost, young, messages, starts, anchors, native, scale } = recorded;
  return {
    "internals/bench.md": {
      goals: goalsInMarkdown(recorded),
      processor: `${costInMarkdown(cost)}\n\n${described(made)}`,
      young: `${youngInMarkdown(young)}${young ? `\n\n${described(young.made)}` : ""}`,
      messages: `${messagesInMarkdown(messages.table)}\n\n${described(messages.made)}`,
      records: experimentInMarkdown("encodings", recorded),
      starts: `${startsInMarkdown(starts)}${starts.made ? `\n\n${onDay(starts.made)}` : ""}`,
      anchors: `${anchorsInMarkdown(anchors.table)}\n\n${described(anchors.made)}`,
      core: `${piecesInMarkdown(native.table)}\n\n${counted(native.made)}`,
      ...operationTables(recorded),
    },
    "internals/experiments.md": {
      rolling: `${experimentInMarkdown("rolling", recorded)}\n\n${described(recorded.rolling.made)}`,
      relogins: `${experimentInMarkdown("relogins", recorded)}\n\n${described(recorded.relogins.made)}`,
      writes: `${experimentInMarkdown("writes", recorded)}\n\n${described(recorded.writes.made)}`,
      coalescing: `${experimentInMarkdown("coalescing", recorded)}\n\n${described(recorded.coalescing.made)}`,
      encodings: experimentInMarkdown("encodings", recorded),
      chainlit: `${experimentInMarkdown("chainlit", recorded)}\n\n${described(recorded.chainlit.made)}`,
      soak: `${experimentInMarkdown("soak", recorded)}\n\n${described(recorded.soak.made)} ${recorded.soak.row.minutes} minutes.`,
    },
    "operate/cost.md": costTables(recorded),
    "operate/scale.md": { ...scaleTables(recorded), ...measuredTables(scale) },
  };
}

/** @param {import("./recorded.mjs").When & Partial<import("./recorded.mjs").Made>} made */
function described(made) {
  const { rounds, seconds } = made;
  return onDay(made, rounds === undefined ? "" : `, rounds: ${rounds}, seconds each: ${seconds}`);
}

/** @param {import("./recorded.mjs").When & { others?: number }} made @param {string} [how] */
function onDay({ date, machine, others }, how = "") {
  const load =
    others === undefined ? "" : ` Other programs used ${percent(others)} of the processors.`;
  return `Measured on ${date}: ${machine}${how}.${load}`;
}

/** @param {import("./recorded.mjs").Recorded} recorded @returns {Record<string, string>} */
function pictures(recorded) {
  return {
    "internals/bench.svg": asPicture(recorded.cost),
    "internals/goals.svg": goalsAsPicture(recorded),
    "operate/scale.svg": scaleAsPicture(recorded.scale),
  };
}

/** @param {import("./recorded.mjs").Recorded["native"]["made"]} made */
function counted({ date, machine, compiler }) {
  return `Counted on ${date} with ${compiler}; the times are those of ${machine}.`;
}

/**
 * Returns every document and picture with its present and its expected text.
 * @param {import("./recorded.mjs").Recorded} recorded
 */
export function documents(recorded) {
  const written = Object.entries(tables(recorded)).map(([name, marks]) => {
    const file = path.join(DOCS, name);
    const text = readFileSync(file, "utf8");
    return { name, file, text, wanted: filled(text, marks) };
  });
  const drawn = Object.entries(pictures(recorded)).map(([name, wanted]) => {
    const file = path.join(DOCS, name);
    return { name, file, text: readFileSync(file, "utf8"), wanted };
  });
  return [...written, ...drawn];
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function writeDocuments(recorded) {
  for (const { file, wanted } of documents(recorded)) writeFileSync(file, wanted);
}

/**
 * @param {string} text
 * @param {Record<string, string>} marks
 */
function filled(text, marks) {
  return Object.entries(marks).reduce((filled, [mark, table]) => {
    const place = new RegExp(`(<!-- table: ${mark} -->\n).*?(<!-- end -->)`, "s");
    if (!place.test(filled)) throw new Error(`there is no place for the table "${mark}"`);
    return filled.replace(place, (_, before, after) => `${before}\n${table}\n\n${after}`);
  }, text);
}
