/**
 * Tests the running Worker with requests that schemathesis derives from the description: valid and invalid ones. Each
 * response must be described, with its status, media type, headers and members.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { ADMIN_TOKEN, DESCRIPTION, description, ORIGIN_KEY, openSite } from "./site.mjs";
import { ensureSchemathesis, SCHEMATHESIS } from "./venv.mjs";

/** Requests of each kind to an operation; LONG=1 sends more. */
const EXAMPLES = process.env.LONG === "1" ? 100 : 10;

const site = await openSite({ after });

/** Statuses with which a valid request may be answered, as its names, rules or versions do not fit. */
const FITTING = ["2xx", "3xx", 401, 403, 404, 409, 412, 421, 422, 428, 429, 503];

const CONFIG = `
# Wrong tokens are counted, and all requests here come from one address: openapi.test.mjs tests each.
checks.ignored_auth.enabled = false
checks.positive_data_acceptance.expected-statuses = ${statuses(FITTING)}
[auth.openapi.adminToken]
bearer = "${ADMIN_TOKEN}"
[auth.openapi.originKey]
bearer = "${ORIGIN_KEY}"
${["finishLogin", "logOutByProvider", "previewPage", "redeemPopup"].map((id) => operation(id, 400)).join("")}
${operation("getLogoutPage", 405)}
`;

/** @param {(string | number)[]} list */
function statuses(list) {
  return JSON.stringify(list.map(String));
}

/** An operation that answers valid requests with one more status. @param {string} id @param {number} status */
function operation(id, status) {
  return `
[[operations]]
include-operation-id = "${id}"
checks.positive_data_acceptance.expected-statuses = ${statuses([...FITTING, status])}
`;
}

for (const { name } of description.tags) {
  test(`responses on the paths of ${name} are as described`, async (t) => {
    await ensureSchemathesis();
    const folder = mkdtempSync(path.join(tmpdir(), "schemathesis-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const config = path.join(folder, "schemathesis.toml");
    writeFileSync(config, CONFIG);
    const args = [
      ...["--config-file", config, "run", DESCRIPTION, "--url", site.url, "--include-tag", name],
      ...["--phases", "examples,coverage,fuzzing", "--max-examples", `${EXAMPLES}`],
      ...["--generation-deterministic", "--no-color"],
      ...["--request-timeout", "30", "--warnings", "off", "--continue-on-failure"],
    ];
    const child = spawn(SCHEMATHESIS, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    let printed = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (chunk) => {
        printed += chunk;
      });
    }
    const [code] = await once(child, "close");
    assert.equal(code, 0, printed);
    assert.match(printed, /generated, \d+ passed|No issues found/, printed);
  });
}
