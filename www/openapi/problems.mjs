/** Problem codes with statuses, from docs/reference/problems.md, which a test compares with the code. */
import { readFileSync } from "node:fs";
import { ref } from "./schemas.mjs";

const PAGE = readFileSync(new URL("../../docs/reference/problems.md", import.meta.url), "utf8");

/** @type {Map<string, { status: string, cause: string }>} */
export const PROBLEMS = new Map(
  Array.from(
    PAGE.matchAll(/^\| `([a-z_]+)` \| (\d{3}) \| (.+) \|$/gm),
    ([, code, status, cause]) => [
      code,
      { status, cause: cause.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1") },
    ],
  ),
);

/** Describes each code: its status, the cause, and what to do. */
export const CODES = Array.from(
  PROBLEMS,
  ([code, { status, cause }]) => `- \`${code}\` (${status}): ${cause}.`,
).join("\n");

/** Codes with which any path may answer. */
export const ANYWHERE = [
  "bad_host",
  "bad_path",
  "framing",
  "url_too_long",
  "headers_too_large",
  "unknown_host",
  "too_many_requests",
  "misconfigured",
  "internal",
  "tenants_unavailable",
  "tenant_misconfigured",
  "tenant_busy",
];

/** Codes that a JSON body may cause; without a key of an API its size is limited more. */
export const JSON_BODY = [
  "body_too_large",
  "broken_body",
  "media_type",
  "bad_encoding",
  "bad_json",
  "json_depth",
];

/** Codes that a form may cause. */
export const FORM_BODY = ["body_too_large", "broken_body", "media_type", "bad_encoding"];

/** Codes that a session cookie may cause. */
export const SESSION = [
  "too_many_forgeries",
  "session_expired",
  "session_ended",
  "session_unknown",
  "session_rotated",
  "session_replaced",
  "session_corrupt",
  "schema_newer",
  "key_unknown",
  "store_unavailable",
];

/** Headers of problems, by status. */
const HEADERS = {
  401: { "WWW-Authenticate": "How to authenticate." },
  405: { Allow: "Methods of this path." },
  429: { "Retry-After": "Seconds to wait." },
};

/**
 * Describes the error responses with these codes, one for each status.
 * @param {string[]} codes
 * @param {boolean} hasPages whether a person at a browser gets a page
 */
export function problemResponses(codes, hasPages) {
  const all = [...new Set([...codes, ...ANYWHERE])];
  const unknown = all.find((code) => !PROBLEMS.has(code));
  if (unknown) throw new Error(`docs/reference/problems.md has no ${unknown}.`);
  const statuses = [...new Set(all.map((code) => PROBLEMS.get(code)?.status ?? ""))].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const own = all.filter((code) => PROBLEMS.get(code)?.status === status);
      const codes = own.map((code) => `\`${code}\``).join(", ");
      const headers = HEADERS[/** @type {keyof typeof HEADERS} */ (Number(status))];
      const schema = { allOf: [ref("Problem"), { properties: { code: { enum: own } } }] };
      return [
        status,
        {
          description: `Problem ${codes}.`,
          ...(headers && { headers: headersOf(headers) }),
          content: {
            "application/problem+json": { schema },
            ...(hasPages && { "text/html": { schema: { type: "string" } } }),
          },
        },
      ];
    }),
  );
}

/** @param {Record<string, string>} headers */
export function headersOf(headers) {
  return Object.fromEntries(
    Object.entries(headers).map(([name, description]) => [
      name,
      { description, schema: { type: "string" } },
    ]),
  );
}
