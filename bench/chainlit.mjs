/**
 * Counts refused requests of the real Chainlit in two processes, behind a round-robin proxy and behind
 * Vestibule: `node bench/chainlit.mjs`, 1 minute, and one more if it installs Chainlit; fills in
 * docs/internals/experiments.md and draws docs/internals/chainlit.svg.
 */
import { conversations } from "../tests/chainlit/conversations.mjs";
import { startChainlit } from "../tests/chainlit/processes.mjs";
import { startRoundRobin } from "../tests/chainlit/round-robin.mjs";
import { Visitor } from "../tests/chainlit/visitor.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { concluded } from "./concluded.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";

const VISITORS = 100;

/** Patience of a person: seconds for a response, and some attempts to connect. */
const PATIENCE = { within: 5_000, attempts: 3 };

/**
 * @typedef {object} ChainlitRow
 * @property {string} name
 * @property {number} conversations
 * @property {number} whole
 * @property {number} bad requests and handshakes answered 400
 * @property {number} forbidden 403
 * @property {number} others other error responses
 */

/** @type {(() => unknown)[]} */
const ends = [];
const scope = { after: (/** @type {() => Promise<void>} */ end) => void ends.push(end) };

const [left, right] = await startChainlit(scope, ["left", "right"]);
const table = [];
try {
  table.push(await seen("two processes, taking turns", [left.port, right.port]));
  const origins = [`left=${left.url}`, `right=${right.url}`];
  const { port } = await Vestibule.start(scope, { origins });
  table.push(await seen("two processes, Vestibule", [port]));
} finally {
  for (const end of ends.reverse()) await end();
}
concluded("chainlit", { chainlit: { made: machine(), table } }, drawn(table));

/**
 * @param {string} name
 * @param {number[]} ports of the servers in turn; the proxy counts their responses
 * @returns {Promise<ChainlitRow>}
 */
async function seen(name, ports) {
  /** @type {number[]} */
  const refusals = [];
  const url = await startRoundRobin(scope, ports, (status) => {
    if (status >= 400) refusals.push(status);
  });
  // Behind a plain proxy the application must identify the user by itself.
  const visitor = (/** @type {number} */ number) =>
    new Visitor(url, PATIENCE, { "x-session-id": `visitor-${number}` });
  const { whole } = await conversations(VISITORS, visitor);
  const count = (/** @type {number} */ status) => refusals.filter((one) => one === status).length;
  const [bad, forbidden] = [count(400), count(403)];
  const others = refusals.length - bad - forbidden;
  return { name, conversations: VISITORS, whole: whole.length, bad, forbidden, others };
}

/** @param {ChainlitRow[]} rows */
function drawn(rows) {
  /** @param {(row: ChainlitRow) => { value: number, text: string, tone: import("./picture.mjs").Tone }} figure */
  const bars = (figure) => rows.map((row) => ({ label: row.name, ...figure(row) }));
  return picture(
    "Chainlit in two processes",
    `${VISITORS} visitors sign in, connect, speak, lose the connection, come back and speak again.`,
    [
      {
        title: "Conversations that were whole",
        bars: bars(({ whole }) => ({
          value: whole,
          text: `${whole} of ${VISITORS}`,
          tone: whole === VISITORS ? "good" : "bad",
        })),
        most: VISITORS,
      },
      {
        title: "Requests and handshakes that were refused",
        bars: bars(({ bad, forbidden, others }) => ({
          value: bad + forbidden + others,
          text: `400: ${bad}, 403: ${forbidden}${others > 0 ? `, others: ${others}` : ""}`,
          tone: bad + forbidden + others === 0 ? "good" : "bad",
        })),
      },
    ],
  );
}
