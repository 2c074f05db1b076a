/** Builds operations of the description. */
import { headersOf, problemResponses } from "./problems.mjs";
import { ref, SCHEMAS } from "./schemas.mjs";

/** Who may call an operation: names of security schemes, each one enough. */
export const ANYBODY = undefined;
export const VISITOR = [{}, { sessionCookie: [] }, { sessionToken: [] }];
export const SERVER = [{ originKey: [] }];
export const OPERATOR = [{ adminToken: [] }, { consoleCookie: [] }];

/**
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} tag
 * @property {string} summary
 * @property {string} [description]
 * @property {object[] | undefined} security
 * @property {object[]} [parameters]
 * @property {object} [body]
 * @property {Record<string, object>} responses those that are no problems
 * @property {string[]} [problems] codes
 * @property {boolean} [hasPages] whether people at a browser get pages
 */

/** @param {Operation} operation */
export function operation({
  id,
  tag,
  summary,
  description,
  security,
  parameters,
  body,
  responses,
  problems = [],
  hasPages = false,
}) {
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description && { description }),
    security: security ?? [],
    ...(parameters && { parameters }),
    ...(body && { requestBody: body }),
    responses: sorted(merged(responses, problemResponses(problems, hasPages))),
  };
}

/** Merges responses of one status: their descriptions and contents. @param {any} one @param {any} other */
function merged(one, other) {
  const all = { ...one };
  for (const [status, response] of Object.entries(other)) {
    const own = all[status];
    all[status] = own
      ? {
          ...own,
          ...response,
          description: `${own.description} ${response.description}`,
          content: { ...own.content, ...response.content },
        }
      : response;
  }
  return all;
}

/** @param {Record<string, object>} responses */
function sorted(responses) {
  return Object.fromEntries(Object.entries(responses).sort());
}

/**
 * A response with JSON.
 * @param {string} schema
 * @param {unknown} example
 * @param {Record<string, string>} [headers]
 */
export function json(schema, example, headers) {
  return {
    description: "Done.",
    ...(headers && { headers: headersOf(headers) }),
    content: { "application/json": { schema: ref(schema), example } },
  };
}

/** @param {string} description @param {Record<string, string>} [headers] */
export function empty(description = "Done; there is no content.", headers) {
  return { description, ...(headers && { headers: headersOf(headers) }) };
}

/** @param {string} description @param {string} mediaType */
export function textual(description, mediaType) {
  return { description, content: { [mediaType]: { schema: { type: "string" } } } };
}

export const PAGE = textual("A page.", "text/html");

/** A redirection. @param {string} description */
export function redirect(description) {
  return empty(description, { Location: "Where to go." });
}

/** @param {string} schema @param {unknown} example @param {boolean} [required] */
export function jsonBody(schema, example, required = true) {
  return { required, content: { "application/json": { schema: ref(schema), example } } };
}

/**
 * A body as JSON or as a form's fields. Fields are texts, and unknown ones are ignored.
 * @param {keyof typeof SCHEMAS} schema
 * @param {unknown} example
 */
export function formBody(schema, example, required = true) {
  const own = /** @type {any} */ (SCHEMAS[schema]);
  const { additionalProperties: _, ...form } = structuredClone(own);
  for (const member of Object.values(/** @type {Record<string, any>} */ (form.properties))) {
    if (member.type === "boolean") member.type = ["boolean", "string"];
  }
  return {
    required,
    content: {
      "application/json": { schema: ref(schema), example },
      "application/x-www-form-urlencoded": { schema: form, example },
    },
  };
}

/**
 * @param {string} name
 * @param {string} description
 * @param {object} [schema]
 * @param {unknown} [example]
 */
export function inPath(name, description, schema = { type: "string" }, example = undefined) {
  const about = { name, in: "path", required: true, description, schema };
  return example === undefined ? about : { ...about, example };
}

/** @param {string} name @param {string} description @param {object} [schema] */
export function inQuery(name, description, schema = { type: "string" }) {
  return { name, in: "query", description, schema };
}

/** @param {string} name @param {string} description */
export function inHeader(name, description) {
  return { name, in: "header", description, schema: { type: "string" } };
}
