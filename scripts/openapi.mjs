/**
 * Writes www/openapi.json, the OpenAPI 3.1 description of all reserved paths, from www/openapi/ and the schema of a
 * tenant's document. `node scripts/openapi.mjs`
 */
import "./node-version.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { OPERATORS } from "../www/openapi/operators.mjs";
import { CODES } from "../www/openapi/problems.mjs";
import { SCHEMAS } from "../www/openapi/schemas.mjs";
import { SERVERS } from "../www/openapi/servers.mjs";
import { TENANTS } from "../www/openapi/tenants.mjs";
import { VISITORS } from "../www/openapi/visitors.mjs";
import { ROOT } from "./setup.mjs";
import { whenStarted } from "./started.mjs";

/** The description, from the root. */
export const DESCRIPTION = "www/openapi.json";

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/** Schemas of documents that people and programs write or receive, each published as a file of its own. */
const PUBLISHED = { "problem.schema.json": "Problem", "account.schema.json": "AccountChange" };

const SECURITY = {
  sessionCookie: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-session",
    description:
      "The session's cookie. On plain http to a loopback host it is `vestibule-session`; with TENANT_BY=path or a header, a dot and the tenant's id follow.",
  },
  sessionToken: {
    type: "http",
    scheme: "bearer",
    description: "The token that `/token` returns.",
  },
  issuersToken: {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "A token of an issuer in `login.methods.token`.",
  },
  originKey: { type: "http", scheme: "bearer", description: "The tenant's `ORIGIN_KEY`." },
  adminToken: {
    type: "http",
    scheme: "bearer",
    description: "`ADMIN_TOKEN`, or `<ID>__ADMIN_TOKEN` for one tenant.",
  },
  consoleCookie: {
    type: "apiKey",
    in: "cookie",
    name: "__Host-session-console",
    description: "The console's cookie. On plain http to loopback: `vestibule-session-console`.",
  },
};

/**
 * Moves responses that several operations share to the components.
 * @param {Record<string, any>} paths
 */
function shared(paths) {
  const operations = Object.values(paths).flatMap((item) =>
    Object.values(item).filter((one) => one.responses),
  );
  /** @type {Map<string, number>} */
  const uses = new Map();
  const each = operations.flatMap(({ responses }) => Object.values(responses));
  for (const one of each) {
    const key = JSON.stringify(one);
    uses.set(key, (uses.get(key) ?? 0) + 1);
  }
  /** @type {Map<string, string>} */
  const names = new Map();
  for (const { responses } of operations) {
    for (const [status, response] of Object.entries(responses)) {
      const key = JSON.stringify(response);
      if ((uses.get(key) ?? 0) < 2) continue;
      const earlier = [...names.values()].filter((name) => name.startsWith(`Status${status}`));
      const name = names.get(key) ?? `Status${status}_${earlier.length + 1}`;
      names.set(key, name);
      responses[status] = { $ref: `#/components/responses/${name}` };
    }
  }
  const components = Array.from(names, ([key, name]) => [name, JSON.parse(key)]);
  return { paths, responses: Object.fromEntries(components) };
}

/** Returns the description. */
export function description() {
  const { version, license } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
  const {
    $schema: _,
    $id: __,
    ...document
  } = JSON.parse(readFileSync(path.join(ROOT, "www/tenant.schema.json"), "utf8"));
  const { paths, responses } = shared(
    structuredClone({ ...VISITORS, ...SERVERS, ...OPERATORS, ...TENANTS }),
  );
  const schemas = structuredClone(/** @type {Record<string, any>} */ (SCHEMAS));
  schemas.Problem.properties.code.description += `\n\n${CODES}`;
  const any = { type: "object", description: "A document that may have faults." };
  return {
    openapi: "3.1.0",
    jsonSchemaDialect: DIALECT,
    info: {
      title: "Vestibule",
      version,
      summary: "The paths that Vestibule answers itself.",
      description:
        "A GET path also answers HEAD, except `/callback`. A person who opens a page gets errors as a page. Other methods get 405 with `Allow`, and other paths 404.",
      license: { name: license, identifier: license },
    },
    servers: [
      {
        url: "{prefix}",
        description: "The reserved paths of this host.",
        variables: {
          prefix: {
            default: "/_session",
            description: "`PREFIX`, after the tenant's path with TENANT_BY=path.",
          },
        },
      },
    ],
    tags: [
      { name: "visitors", description: "For browsers and programs." },
      { name: "servers", description: "For chat servers: the session API." },
      { name: "operators", description: "For operators: the admin API." },
      { name: "tenants", description: "For operators of the deployment: documents of tenants." },
      { name: "console", description: "For the console." },
      { name: "deployment", description: "For load balancers." },
    ],
    paths,
    components: {
      securitySchemes: SECURITY,
      responses,
      schemas: { ...schemas, AnyDocument: any, TenantDocument: document },
    },
  };
}

/** Returns the files with their texts, by path from the root. @returns {Map<string, string>} */
export function files() {
  const schemas = Object.entries(PUBLISHED).map(([file, name]) => {
    const $id = `https://vestibule.dev/schemas/${file.replace(".schema", "")}`;
    const schema = SCHEMAS[/** @type {keyof typeof SCHEMAS} */ (name)];
    return /** @type {[string, string]} */ ([
      `www/${file}`,
      text({ $schema: DIALECT, $id, ...schema }),
    ]);
  });
  return new Map([[DESCRIPTION, text(description())], ...schemas]);
}

/** @param {object} value */
function text(value) {
  return `${JSON.stringify(value, null, 2)}\n`;
}

await whenStarted(
  import.meta.filename,
  { does: "Writes www/openapi.json and the schemas beside it, from www/openapi/." },
  async () => {
    for (const [file, content] of files()) writeFileSync(path.join(ROOT, file), content);
  },
);
