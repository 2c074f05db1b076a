/**
 * Restarts four chat servers under load one after the other, then scales from two to four and back. It compares
 * sessions in the servers' memory behind HAProxy (round robin, and sticky) with sessions at the edge:
 * `node bench/rolling.mjs`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { ChatServers } from "./chat-servers.mjs";
import { experiment } from "./experiment.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";
import { FRONTS, restartInTurn } from "./restarts.mjs";
import { Visitors } from "./visitors.mjs";

/**
 * Pause between two changes of servers, and downtime of a restarted one, in milliseconds.
 * @typedef {{ calm: number, away: number }} Pace
 */

/** @type {Pace} */
const USUAL = { calm: 2_500, away: 1_000 };
const QUICK = { calm: 400, away: 200 };

/** @typedef {{ phase: string, name: string } & import("./visitors.mjs").Outcome} RollingRow */

/** @type {Record<string, { first: number[], act: (servers: ChatServers, pace: Pace) => Promise<void> }>} */
const PHASES = {
  "rolling restart of four": {
    first: [0, 1, 2, 3],
    act: restartInTurn,
  },
  "two, four, two": {
    first: [0, 1],
    async act(servers, { calm }) {
      await servers.start(2, 3);
      await pause(2 * calm);
      servers.kill(2, 3);
      await pause(2 * calm);
    },
  },
};

await experiment(
  {
    file: import.meta.filename,
    does: "Restarts, adds and removes chat servers under load, behind HAProxy and behind Vestibule.",
    takes: "3 minutes",
    tools: ["haproxy"],
  },
  async (run) => {
    const pace = run.isQuick ? QUICK : USUAL;
    /** @type {RollingRow[]} */
    const table = [];
    for (const [phase, { first, act }] of Object.entries(PHASES)) {
      for (const [name, open] of FRONTS) {
        const servers = await ChatServers.reserve(run, 4);
        await servers.start(...first);
        const visitors = new Visitors(await open(run, servers));
        run.after(() => visitors.leave());
        await pause(pace.calm);
        await act(servers, pace);
        table.push({ phase, name, ...(await visitors.leave()) });
        await run.end();
      }
    }
    return {
      name: "rolling",
      part: { rolling: { made: machine(), table } },
      picture: drawn(table),
    };
  },
);

/** @param {RollingRow[]} rows */
function drawn(rows) {
  const panels = Object.keys(PHASES).map((title) => {
    const bars = rows
      .filter(({ phase }) => phase === title)
      .map(({ name, lost, average, p99 }) => {
        /** @type {import("./picture.mjs").Tone} */
        const tone = lost > 0 ? "bad" : "good";
        const text = `${lost.toFixed(1)} % · ${average.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`;
        return { label: name, value: lost, text, tone };
      });
    return { title, bars, most: 100 };
  });
  return picture(
    "Conversations lost while servers come and go",
    "Of conversations with eight messages, each of which changes the session. Behind it how long answers take.",
    panels,
  );
}
