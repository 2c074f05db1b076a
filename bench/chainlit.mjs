/**
 * Counts refused requests of the real Chainlit in two processes, behind a round-robin proxy and behind
 * Vestibule: `node bench/chainlit.mjs`.
 */
import { conversations } from "../tests/chainlit/conversations.mjs";
import { startChainlit } from "../tests/chainlit/processes.mjs";
import { startRoundRobin } from "../tests/chainlit/round-robin.mjs";
import { ensureChainlit } from "../tests/chainlit/venv.mjs";
import { Visitor } from "../tests/chainlit/visitor.mjs";
import { Vestibule } from "../tests/harness/workerd.mjs";
import { experiment } from "./experiment.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";

const VISITORS = 100;
const QUICK_VISITORS = 5;

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

await experiment(
  {
    file: import.meta.filename,
    does: "Counts whole conversations and refused requests of Chainlit in two processes.",
    takes: "1 minute, and one more if it installs Chainlit",
    prepare: ensureChainlit,
  },
  async (run) => {
    const visitors = run.isQuick ? QUICK_VISITORS : VISITORS;
    const [left, right] = await startChainlit(run, ["left", "right"]);
    const turns = await seen(run, "two processes, taking turns", [left.port, right.port], visitors);
    const origins = [`left=${left.url}`, `right=${right.url}`];
    const { port } = await Vestibule.start(run, { origins });
    const table = [turns, await seen(run, "two processes, Vestibule", [port], visitors)];
    const picture = drawn(table, visitors);
    return { name: "chainlit", part: { chainlit: { made: machine(), table } }, picture };
  },
);

/**
 * @param {import("./experiment.mjs").Run} run
 * @param {string} name
 * @param {number[]} ports of the servers in turn; the proxy counts their responses
 * @param {number} visitors
 * @returns {Promise<ChainlitRow>}
 */
async function seen(run, name, ports, visitors) {
  /** @type {number[]} */
  const refusals = [];
  const url = await startRoundRobin(run, ports, (status) => {
    if (status >= 400) refusals.push(status);
  });
  // Behind a plain proxy the application must identify the user by itself.
  const visitor = (/** @type {number} */ number) =>
    new Visitor(url, PATIENCE, { "x-session-id": `visitor-${number}` });
  const { whole } = await conversations(visitors, visitor);
  const count = (/** @type {number} */ status) => refusals.filter((one) => one === status).length;
  const [bad, forbidden] = [count(400), count(403)];
  const others = refusals.length - bad - forbidden;
  return { name, conversations: visitors, whole: whole.length, bad, forbidden, others };
}

/**
 * @param {ChainlitRow[]} rows
 * @param {number} visitors
 */
function drawn(rows, visitors) {
  /** @param {(row: ChainlitRow) => { value: number, text: string, tone: import("./picture.mjs").Tone }} figure */
  const bars = (figure) => rows.map((row) => ({ label: row.name, ...figure(row) }));
  return picture(
    "Chainlit in two processes",
    `${visitors} visitors sign in, connect, speak, lose the connection, come back and speak again.`,
    [
      {
        title: "Conversations that were whole",
        bars: bars(({ whole }) => ({
          value: whole,
          text: `${whole} of ${visitors}`,
          tone: whole === visitors ? "good" : "bad",
        })),
        most: visitors,
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
