/** The console's files, compressed when they were built; the core says under which headers they are sent. */
import style from "./console/console.css.bin";
import script from "./console/console.js.bin";
import page from "./console/index.html.bin";
import schema from "./console/tenant.schema.json.bin";
import { connect } from "./runtime.js";

const FILES = new Map([
  ["index.html", page],
  ["console.js", script],
  ["console.css", style],
  ["tenant.schema.json", schema],
]);

connect({
  consoleFile(name) {
    const file = FILES.get(name);
    return file && new Uint8Array(file);
  },
});
