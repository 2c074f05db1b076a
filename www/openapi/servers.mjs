/** Paths for chat servers: the session API. */
import { HANDLE, SUMMARY_EXAMPLE } from "./examples.mjs";
import { ORIGIN_NAME, SESSION_NAME } from "./names.mjs";
import { empty, inHeader, inPath, json, jsonBody, operation, SERVER } from "./operation.mjs";
import { JSON_BODY } from "./problems.mjs";

const NAME = inPath(
  "name",
  "The session's current `X-Session-Id`; one from before a sign-in gets 404.",
  SESSION_NAME,
  HANDLE,
);
const ORIGIN = inPath("name", "The server's name in `ORIGINS`.", ORIGIN_NAME, "chat-1");
const KEY = ["api_key", "too_many_guesses", "not_found", "store_unavailable"];
const STORED = [...KEY, "session_corrupt", "schema_newer", "key_unknown"];
const ETAG = { ETag: "The session's version." };
const SESSION = json(
  "Session",
  {
    ...SUMMARY_EXAMPLE,
    email: "ada@example.com",
    name: "Ada Lovelace",
    groups: ["staff"],
    groups_omitted: 0,
    data: { visits: 3 },
    version: 4,
  },
  ETAG,
);

/** @param {Omit<import("./operation.mjs").Operation, "tag" | "security">} own */
const servers = (own) => operation({ ...own, tag: "servers", security: SERVER, hasPages: true });

export const SERVERS = {
  "/api/sessions/{name}": {
    parameters: [NAME],
    get: servers({
      id: "getSession",
      summary: "Returns a session",
      responses: { 200: SESSION },
      problems: STORED,
    }),
    patch: servers({
      id: "changeSession",
      summary: "Changes a session",
      description: "With `CONSISTENCY=eventual` it needs `If-Match`.",
      parameters: [inHeader("If-Match", "Changes only this version: its `ETag`, or `*` for any.")],
      body: jsonBody("SessionChange", { patch: { visits: 4 }, ttl: 3600 }),
      responses: { 200: SESSION },
      problems: [
        ...STORED,
        ...JSON_BODY,
        "invalid",
        "version_changed",
        "version_required",
        "leased",
        "not_recorded",
      ],
    }),
    delete: servers({
      id: "endSession",
      summary: "Ends a session",
      responses: { 204: empty("The session is over.") },
      problems: STORED,
    }),
  },
  "/api/sessions/{name}/lease": {
    parameters: [NAME],
    post: servers({
      id: "takeLease",
      summary: "Takes a lease on a session, or extends one",
      description: "It needs `CONSISTENCY=strong`.",
      body: jsonBody("LeaseRequest", { seconds: 30, exclusive: true, wait: 5 }, false),
      responses: { 200: json("Lease", { token: 7, until: 1790000030, exclusive: true }) },
      problems: [...STORED, ...JSON_BODY, "invalid", "leased", "needs_objects", "not_recorded"],
    }),
    delete: servers({
      id: "returnLease",
      summary: "Returns a lease",
      body: jsonBody("LeaseRelease", { token: 7 }),
      responses: { 204: empty() },
      problems: [...KEY, ...JSON_BODY, "invalid", "needs_objects"],
    }),
  },
  "/api/origins/{name}/ready": {
    parameters: [ORIGIN],
    post: servers({
      id: "reportReady",
      summary: "Reports that a server takes requests again",
      responses: { 204: empty() },
      problems: [...KEY, "needs_objects"],
    }),
  },
  "/api/origins/{name}/unready": {
    parameters: [ORIGIN],
    post: servers({
      id: "reportUnready",
      summary: "Reports that a server is about to stop",
      description: "It holds for 150 seconds, or until `ready`.",
      responses: { 204: empty() },
      problems: [...KEY, "needs_objects"],
    }),
  },
};
