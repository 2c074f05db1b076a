/** Finishes an experiment: prints, records and draws its result, and updates the documents. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { writeDocuments } from "./documents.mjs";
import { experimentAsText } from "./experiment-tables.mjs";
import { record, recorded } from "./recorded.mjs";

const PICTURES = path.resolve(import.meta.dirname, "../docs/internals");

/**
 * @param {import("./experiment-tables.mjs").Experiment} name
 * @param {Partial<import("./recorded.mjs").Recorded>} part
 * @param {string} picture
 */
export function concluded(name, part, picture) {
  record(part);
  console.log(experimentAsText(name, recorded()));
  writeFileSync(path.join(PICTURES, `${name}.svg`), picture);
  writeDocuments(recorded());
}
