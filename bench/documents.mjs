/** The documents' tables, made of what was measured: each stands between two marks. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { anchorsInMarkdown } from "./anchors.mjs";
import { costTables } from "./money.mjs";
import { operationTables } from "./operation-tables.mjs";
import { costInMarkdown } from "./report.mjs";
import { scaleTables } from "./scale-model.mjs";
import { scaleAsPicture } from "./scale-picture.mjs";
import { measuredTables } from "./scale-tables.mjs";

const DOCS = path.resolve(import.meta.dirname, "../docs");

/**
 * Every table by document and mark.
 * @param {import("./recorded.mjs").Recorded} recorded
 * @returns {Record<string, Record<string, string>>}
 */
function tables(recorded) {
  const { made, cost, anchors, scale } = recorded;
  return {
    "bench.md": {
      processor: `${costInMarkdown(cost)}\n\n${told(made)}`,
      anchors: `${anchorsInMarkdown(anchors.table)}\n\n${told(anchors.made)}`,
      ...operationTables(recorded),
    },
    "cost.md": costTables(recorded),
    "scale.md": {
      ...scaleTables(recorded),
      ...measuredTables(scale),
      "measured, how": told(scale.made),
    },
  };
}

/** @param {import("./recorded.mjs").Made} made */
function told({ date, machine, rounds, seconds }) {
  return `Measured on ${date}: ${machine}, rounds: ${rounds}, seconds each: ${seconds}.`;
}

/**
 * Every document as it is and as it should be, and the picture that is made of the same figures.
 * @param {import("./recorded.mjs").Recorded} recorded
 */
export function documents(recorded) {
  const picture = path.join(DOCS, "scale.svg");
  const drawn = {
    name: "scale.svg",
    file: picture,
    text: existsSync(picture) ? readFileSync(picture, "utf8") : "",
    wanted: scaleAsPicture(recorded.scale),
  };
  const written = Object.entries(tables(recorded)).map(([name, marks]) => {
    const file = path.join(DOCS, name);
    const text = readFileSync(file, "utf8");
    return { name, file, text, wanted: filled(text, marks) };
  });
  return [...written, drawn];
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
