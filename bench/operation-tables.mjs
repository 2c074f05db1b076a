/** Formats the tables of counted operations, per 1,000 requests. */
import { ONE_SESSION, PROFILES } from "./profiles.mjs";
import { aligned, markdown } from "./report.mjs";
import { KEEPERS } from "./variants.mjs";

/** The objects, with their names in the tables. */
const OBJECTS = {
  SessionObject: "session's object",
  DirectoryObject: "tenant's object",
  PoolObject: "pool object",
  TelemetryObject: "telemetry object",
};

const HEAD = ["", "KV reads", "KV writes", "KV lists", ...Object.values(OBJECTS), "rows written"];

/**
 * @param {import("./recorded.mjs").Recorded} recorded
 * @param {string} profile
 */
function body({ operations }, profile) {
  return KEEPERS.map(({ name }) => {
    const { requests, kv, objects } = operations[profile][name];
    const thousand = (/** @type {number} */ count) => ((count * 1_000) / requests).toFixed(0);
    const calls = Object.keys(OBJECTS).map((object) => thousand(objects[object]?.requests ?? 0));
    const rows = Object.values(objects).reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
    return [
      name,
      thousand(kv.reads),
      thousand(kv.writes),
      thousand(kv.lists),
      ...calls,
      thousand(rows),
    ];
  });
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function operationTables(recorded) {
  const tables = [ONE_SESSION, ...PROFILES].map(({ name }) => [
    name,
    markdown(HEAD, body(recorded, name)),
  ]);
  return Object.fromEntries(tables);
}

/** @param {import("./recorded.mjs").Recorded} recorded */
export function operationsAsText(recorded) {
  return [ONE_SESSION, ...PROFILES]
    .map(
      ({ name, says }) =>
        `${name}: ${says}\nper 1,000 requests\n${aligned(HEAD, body(recorded, name))}`,
    )
    .join("\n\n");
}
