/** Paths for operators of the deployment: documents of tenants. */
import {
  empty,
  inHeader,
  inPath,
  json,
  jsonBody,
  OPERATOR,
  operation,
  textual,
} from "./operation.mjs";
import { KEY, TENANT } from "./operators.mjs";
import { FORM_BODY, JSON_BODY } from "./problems.mjs";

const ID = inPath(
  "id",
  "Id of the tenant.",
  { type: "string", pattern: "^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$" },
  "acme",
);
const IF_MATCH = inHeader("If-Match", "Changes only this version: its `ETag`, or `*` for any.");
const ETAG = { ETag: "Version of the document." };
const EXAMPLE = {
  id: "acme",
  hosts: ["chat.acme.example"],
  origins: [{ name: "chat-1", url: "http://10.0.0.5:8000" }],
};
const DOCUMENT = json("TenantDocument", EXAMPLE, ETAG);

/** @param {Omit<import("./operation.mjs").Operation, "tag" | "security">} own */
const tenants = ({ parameters = [], problems = [], ...own }) =>
  operation({
    ...own,
    tag: "tenants",
    security: OPERATOR,
    parameters: [TENANT, ...parameters],
    problems: [...KEY, "invalid", ...problems],
  });

export const TENANTS = {
  "/admin/tenants": {
    get: tenants({
      id: "listTenants",
      summary: "Lists the ids of all tenants",
      responses: { 200: json("Tenants", { tenants: ["acme"] }) },
    }),
  },
  "/admin/tenants/validate": {
    post: tenants({
      id: "validateTenant",
      summary: "Checks a document without storing it",
      body: jsonBody("AnyDocument", EXAMPLE),
      responses: {
        200: json("Faults", {
          faults: [{ path: "hosts[0]", problem: "the value is not a host" }],
        }),
      },
      problems: [...JSON_BODY, "csrf"],
    }),
  },
  "/admin/tenants/{id}": {
    parameters: [ID],
    get: tenants({
      id: "getTenant",
      summary: "Returns a document",
      responses: { 200: DOCUMENT },
    }),
    put: tenants({
      id: "putTenant",
      summary: "Stores a document",
      description: "422 lists every fault. It is also the answer if another tenant has a host.",
      parameters: [IF_MATCH],
      body: jsonBody("TenantDocument", EXAMPLE),
      responses: { 204: empty("The document is stored.", ETAG) },
      problems: [...JSON_BODY, "csrf", "precondition_failed"],
    }),
    delete: tenants({
      id: "deleteTenant",
      summary: "Deletes a document",
      parameters: [IF_MATCH],
      responses: { 204: empty("The document is deleted.") },
      problems: ["csrf", "precondition_failed"],
    }),
  },
  "/admin/tenants/{id}/history": {
    parameters: [ID],
    get: tenants({
      id: "listVersions",
      summary: "Lists up to twenty versions of a document",
      responses: {
        200: json("History", {
          versions: [{ version: "0001790000000000", at: 1790000000, current: true }],
        }),
      },
    }),
  },
  "/admin/tenants/{id}/history/{version}": {
    parameters: [
      ID,
      inPath(
        "version",
        "Name of the version.",
        { type: "string", pattern: "^[0-9]{16}$" },
        "0001790000000000",
      ),
    ],
    get: tenants({
      id: "getVersion",
      summary: "Returns a document as it was",
      responses: { 200: json("TenantDocument", EXAMPLE) },
    }),
  },
  "/admin/preview": {
    post: tenants({
      id: "previewPage",
      summary: "Renders a page from a document that need not be stored",
      body: {
        required: true,
        content: {
          "application/x-www-form-urlencoded": {
            schema: { $ref: "#/components/schemas/PreviewForm" },
            example: { document: JSON.stringify(EXAMPLE), page: "sign-in" },
          },
        },
      },
      responses: { 200: textual("The page.", "text/html"), 400: textual("A page.", "text/html") },
      problems: [...FORM_BODY, "csrf", "bad_document"],
    }),
  },
};
