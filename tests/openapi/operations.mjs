/** Operations of the description, requests to them, and what a response must be to fit. */
import assert from "node:assert/strict";
import { ADMIN_TOKEN, description, ORIGIN_KEY, TENANT } from "./site.mjs";

/** @param {any} value follows a reference */
export function resolved(value) {
  const path = value?.$ref?.slice("#/".length).split("/");
  return path
    ? path.reduce((/** @type {any} */ at, /** @type {string} */ part) => at[part], description)
    : value;
}

/**
 * @typedef {object} Operation
 * @property {string} id
 * @property {string} path
 * @property {string} method
 * @property {any[]} parameters
 * @property {any} body
 * @property {string[]} schemes names of its security schemes
 * @property {boolean} isOpen whether it needs none
 * @property {Record<string, any>} responses
 */

/** @type {Operation[]} */
export const OPERATIONS = Object.entries(description.paths).flatMap(([path, item]) =>
  Object.entries(/** @type {Record<string, any>} */ (item))
    .filter(([method]) => method !== "parameters")
    .map(([method, own]) => ({
      id: own.operationId,
      path,
      method: method.toUpperCase(),
      parameters: [.../** @type {any} */ (item.parameters ?? []), ...(own.parameters ?? [])],
      body: own.requestBody?.content,
      schemes: own.security.flatMap((/** @type {object} */ one) => Object.keys(one)),
      isOpen:
        own.security.length === 0 ||
        own.security.some((/** @type {object} */ one) => Object.keys(one).length === 0),
      responses: own.responses,
    })),
);

/** Credentials of an operation. @param {Operation} operation @returns {Record<string, string>} */
export function credentials({ schemes }) {
  if (schemes.includes("adminToken")) return { authorization: `Bearer ${ADMIN_TOKEN}` };
  if (schemes.includes("originKey")) return { authorization: `Bearer ${ORIGIN_KEY}` };
  return {};
}

/**
 * Changes of an operation's example.
 * @typedef {object} Change
 * @property {string} [tenant] value of the parameter, for operators
 * @property {Record<string, string>} [names] values in the path
 * @property {string} [query]
 * @property {Record<string, string | undefined>} [headers] undefined removes one
 * @property {string | Buffer<ArrayBuffer>} [body]
 * @property {string} [type] media type of the body
 */

/**
 * Sends an operation's example, and checks that the response is described.
 * @param {string} url with the prefix
 * @param {Operation} operation
 * @param {Change} [change]
 */
export async function call(url, operation, change = {}) {
  const { tenant = TENANT, names = {}, query = "", headers = {}, ...more } = change;
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => {
    const { example } = operation.parameters.find((one) => one.in === "path" && one.name === name);
    return encodeURIComponent(names[name] ?? example);
  });
  const [type, content] = Object.entries(operation.body ?? {})[0] ?? [];
  const example = type?.includes("form")
    ? String(new URLSearchParams(content.example))
    : JSON.stringify(content?.example);
  const body = more.body ?? example;
  const all = {
    ...credentials(operation),
    ...(body === undefined ? {} : { "content-type": more.type ?? type }),
    ...headers,
  };
  const sent = Object.entries(all).filter(([, value]) => value !== undefined);
  const ofTenant = operation.schemes.includes("adminToken") ? `tenant=${tenant}&` : "";
  const response = await fetch(`${url}${path}?${ofTenant}${query}`, {
    method: operation.method,
    headers: Object.fromEntries(/** @type {[string, string][]} */ (sent)),
    redirect: "manual",
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const { status } = response;
  const media = response.headers.get("content-type")?.split(";")[0] ?? "";
  const code = /"code":"([a-z_]+)"/.exec(text)?.[1] ?? "";
  const described = resolved(operation.responses[status]);
  const what = `${operation.id} answers ${status} ${code}`;
  assert.ok(described, `${what}, which is not described`);
  if (text) assert.ok(described.content?.[media], `${what} as ${media}, which is not described`);
  return { status, code, text, headers: response.headers };
}

/** Problem codes of a response. @param {any} response @returns {string[]} */
export function codesOf(response) {
  const schema = resolved(response).content?.["application/problem+json"]?.schema;
  return schema?.allOf[1].properties.code.enum ?? [];
}
