/** Measures whether the cost of a request, or of an isolate's start, depends on the number of tenants. */
import { request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { startNamespace } from "./namespace.mjs";
import { median } from "./quartiles.mjs";
import { rounded } from "./scale-figures.mjs";
import { inRounds, memoryOf, row } from "./scale-rounds.mjs";
import { Variant } from "./variant.mjs";
import { BARE } from "./variants.mjs";

export const COUNTS = [1, 100, 10_000];

/** Number of guests over all tenants. A guest's cost is that of the tenant, not of a record. */
const VISITORS = 10_000;

/**
 * Settings without objects. In one process the objects of all tenants share the machine with the Worker, unlike
 * on Cloudflare. With 10,000 tenants the measurement would be that of this machine's disk, on which each object
 * has a database.
 * @type {{ name: string, does: string, most: number, vars?: Record<string, string> }[]}
 */
export const SERIES = [
  {
    name: "KV alone",
    does: "the Worker without objects",
    most: 10_000,
    vars: { CONSISTENCY: "eventual" },
  },
  {
    name: "with objects",
    does: "as deployed; the process runs the objects of all tenants too",
    most: 100,
  },
];

/** Number of starts of a fresh isolate. */
const STARTS = 5;

/** @typedef {import("./scale-rounds.mjs").Row & import("./scale-rounds.mjs").Memory & { tenants: number, first: number }} Measured first: milliseconds from the process's start to its first answer */

/**
 * @param {number} originPort
 * @param {{ rounds: number, seconds: number }} how
 * @param {number[]} counts
 * @returns {Promise<{ bareFirst: number, series: { series: string, does: string, counts: Measured[] }[] }>}
 */
export async function measureTenants(originPort, how, counts = COUNTS) {
  /** @type {{ stop: () => void }[]} */
  const started = [];
  try {
    const namespaces = [];
    for (const tenants of counts) {
      const namespace = await startNamespace({ sessions: VISITORS, tenants, guests: true });
      started.push(namespace);
      await putDocuments(namespace.address, tenants, originPort);
      namespaces.push({ tenants, namespace });
    }
    const measured = [];
    // One after the other: objects without a call for ten seconds are stopped, and would start again in
    // each round.
    for (const { name, does, most, vars } of SERIES) {
      const within = namespaces.filter(({ tenants }) => tenants <= most);
      const loads = within.map(({ tenants, namespace: { address, cookies } }) => {
        const variant = serving(address, `${tenants} tenants, ${name}`, vars);
        started.push(variant);
        return { variant, visitors: { cookies, count: VISITORS, tenants } };
      });
      for (const { variant } of loads) await variant.start(originPort);
      const samples = await inRounds(loads, how);
      const rows = [];
      for (const [at, { variant, visitors }] of loads.entries()) {
        const { tenants } = visitors;
        const memory = await memoryOf(variant);
        const last = `t${tenants - 1}.localhost`;
        const first = await firstAnswer(variant.description, originPort, last);
        rows.push({ tenants, ...row(samples[0], samples[at]), ...memory, first });
      }
      measured.push({ series: name, does, counts: rows });
    }
    return { bareFirst: await firstAnswer(BARE, originPort, "localhost"), series: measured };
  } finally {
    for (const one of started.reverse()) one.stop();
  }
}

/**
 * @param {string} namespace host and port
 * @param {string} name
 * @param {Record<string, string>} [vars]
 */
function serving(namespace, name, vars) {
  // The readiness check uses a host without a tenant.
  const description = { name, does: name, namespace, tenants: true, status: 421, vars };
  return new Variant(description, { inspected: true });
}

/**
 * Returns the documents as `npm run tenants` would store them.
 * @param {string} address
 * @param {number} tenants
 * @param {number} originPort
 */
async function putDocuments(address, tenants, originPort) {
  const put = async (/** @type {string} */ key, /** @type {string} */ body) => {
    const response = await fetch(`http://${address}/${encodeURIComponent(key)}`, {
      method: "PUT",
      body,
    });
    await response.text();
  };
  const AT_ONCE = 16;
  const worker = async (/** @type {number} */ first) => {
    for (let number = first; number < tenants; number += AT_ONCE) {
      const id = `t${number}`;
      await put(`tenant:${id}`, JSON.stringify(document(id, originPort)));
      await put(`host:${id}.localhost`, id);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, (_, first) => worker(first)));
}

/**
 * @param {string} id
 * @param {number} originPort
 */
function document(id, originPort) {
  return {
    id,
    hosts: [`${id}.localhost`],
    origins: [{ url: `http://127.0.0.1:${originPort}` }],
    login: { mode: "optional", exceptions: [{ path: "/admin/*", mode: "required" }] },
    session: { idle: "30m" },
    headers: { "X-WEBAUTH-USER": "user" },
    branding: { title: `The tenant ${id}` },
    env: { MODEL: "large" },
  };
}

/**
 * Measures the milliseconds from the start of a process to its first response, over several starts.
 * @param {import("./variant.mjs").Description} description
 * @param {number} originPort
 * @param {string} host
 */
async function firstAnswer(description, originPort, host) {
  const times = [];
  for (let at = 0; at < STARTS; at += 1) {
    const variant = new Variant(description);
    try {
      await variant.launch(originPort);
      const began = performance.now();
      while ((await status(variant.url, host)) !== 200) await pause(1);
      times.push(performance.now() - began);
    } finally {
      variant.stop();
    }
  }
  return rounded(median(times));
}

/**
 * Sends a request by `node:http`, because `fetch` sends the URL's host. Returns nothing while the port is closed.
 * @param {string} url
 * @param {string} host
 * @returns {Promise<number | undefined>}
 */
function status(url, host) {
  return new Promise((resolve) => {
    request(url, { headers: { host }, agent: false }, (response) => {
      response.resume().on("end", () => resolve(response.statusCode));
    })
      .on("error", () => resolve(undefined))
      .end();
  });
}
