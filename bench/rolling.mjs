/**
 * Rolling restarts of four chat servers under load, with their sessions in memory behind a round-robin
 * proxy, behind a sticky one, and behind Vestibule: `node bench/rolling.mjs`. Prints a table and draws
 * docs/rolling.svg.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Agent, createServer, request as send } from "node:http";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Browser } from "../tests/harness/browser.mjs";
import { freePort, listen } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";

const SERVERS = 4;
const VISITORS = 100;

/** How long each visitor pauses between two messages, in milliseconds. */
const PAUSE = 150;

/** @typedef {{ name: string, average: number, p99: number, lost: number, failed: number }} Outcome */

/** @type {(() => unknown)[]} */
const ends = [];
const scope = /** @type {any} */ ({ after: (/** @type {() => unknown} */ end) => ends.push(end) });

/** @type {Outcome[]} */
const outcomes = [];
for (const [name, front] of /** @type {const} */ ([
  ["in memory, round robin", proxied(false)],
  ["in memory, sticky proxy", proxied(true)],
  ["Vestibule", fronted],
])) {
  outcomes.push(await experience(name, front));
}
for (const { name, average, p99, lost, failed } of outcomes) {
  console.log(
    `${name.padEnd(26)}average ${average.toFixed(1)} ms, p99 ${p99.toFixed(0)} ms, ${lost.toFixed(1)} % of conversations lost, ${failed.toFixed(2)} % of requests failed`,
  );
}
writeFileSync(path.join(import.meta.dirname, "../docs/rolling.svg"), picture(outcomes));

/**
 * @param {string} name
 * @param {(ports: number[]) => Promise<string>} front
 * @returns {Promise<Outcome>}
 */
async function experience(name, front) {
  const ports = [];
  for (let at = 0; at < SERVERS; at += 1) ports.push(await freePort());
  const servers = ports.map((port, at) => start(at, port));
  await Promise.all(ports.map(isUp));
  const url = await front(ports);
  const seen = { times: /** @type {number[]} */ ([]), failed: 0, lost: 0 };
  let goesOn = true;
  const visits = Array.from({ length: VISITORS }, async () => {
    const browser = new Browser(url);
    let said = 0;
    let isLost = false;
    while (goesOn) {
      const begun = performance.now();
      const response = await browser.fetch("/say").catch(() => undefined);
      if (response?.status === 200) {
        const { count } = await response.json();
        seen.times.push(performance.now() - begun);
        isLost ||= count < said + 1;
        said = count;
      } else {
        await response?.text();
        seen.failed += 1;
      }
      await pause(PAUSE);
    }
    seen.lost += Number(isLost);
  });
  await pause(2_000);
  for (const [at, server] of servers.entries()) {
    server.kill("SIGKILL");
    await pause(1_000);
    servers[at] = start(at, ports[at]);
    await isUp(ports[at]);
    await pause(2_500);
  }
  goesOn = false;
  await Promise.all(visits);
  for (const end of ends.splice(0).reverse()) await end();
  for (const server of servers) server.kill("SIGKILL");
  const times = seen.times.sort((a, b) => a - b);
  const all = times.length + seen.failed;
  return {
    name,
    average: times.reduce((sum, time) => sum + time, 0) / times.length,
    p99: times[Math.floor(times.length * 0.99)],
    lost: (100 * seen.lost) / VISITORS,
    failed: (100 * seen.failed) / all,
  };
}

/**
 * @param {number} at
 * @param {number} port
 */
function start(at, port) {
  const script = path.join(import.meta.dirname, "chat-server.mjs");
  return spawn(process.execPath, [script, `s${at}`, String(port)], { stdio: "inherit" });
}

/** @param {number} port */
function isUp(port) {
  return until(() => fetch(`http://127.0.0.1:${port}/mood`).catch(() => null));
}

/** @param {number[]} ports */
async function fronted(ports) {
  const origins = ports.map((port, at) => `s${at}=http://127.0.0.1:${port}`);
  return (await Vestibule.start(scope, { origins })).url;
}

/**
 * The usual proxies: what a server refuses goes to the next one; the sticky one knows by a cookie
 * where a visitor was.
 * @param {boolean} isSticky
 */
function proxied(isSticky) {
  return async (/** @type {number[]} */ ports) => {
    const agent = new Agent({ keepAlive: true });
    let turn = 0;
    const proxy = createServer((request, response) => {
      const [, place] = /(?:^|; )place=(\d+)/.exec(request.headers.cookie ?? "") ?? [];
      turn += 1;
      pass(isSticky && place ? Number(place) : turn % SERVERS, 1);

      /**
       * @param {number} at
       * @param {number} tries
       */
      function pass(at, tries) {
        const { method, url, headers } = request;
        const onward = send({ port: ports[at], method, path: url, headers, agent }, (answer) => {
          const lines = [answer.headers["set-cookie"] ?? []].flat();
          if (isSticky) lines.push(`place=${at}; Path=/`);
          const own = lines.length > 0 ? { "set-cookie": lines } : {};
          response.writeHead(answer.statusCode ?? 502, { ...answer.headers, ...own });
          answer.pipe(response);
        });
        onward.on("error", () => {
          if (tries < SERVERS) pass((at + 1) % SERVERS, tries + 1);
          else response.writeHead(502).end();
        });
        onward.end();
      }
    });
    ends.push(() => {
      proxy.closeAllConnections();
      proxy.close();
      agent.destroy();
    });
    return `http://127.0.0.1:${await listen(proxy)}`;
  };
}

/** @param {Outcome[]} all */
function picture(all) {
  const rows = all.map(({ name, lost, average }, at) => {
    const y = 50 + at * 44;
    return `<text x="10" y="${y + 15}">${name}</text>
<rect x="190" y="${y}" width="${Math.max(1, lost * 3)}" height="20" fill="${lost > 0 ? "#c0392b" : "#27ae60"}"/>
<text x="${200 + lost * 3}" y="${y + 15}">${lost.toFixed(1)} % lost, ${average.toFixed(1)} ms on average</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 190" font-family="system-ui, sans-serif" font-size="13">
<rect width="700" height="190" fill="#fff"/>
<text x="10" y="26" font-size="15" font-weight="600">Conversations lost while four chat servers are restarted one after the other</text>
${rows.join("\n")}
</svg>
`;
}
