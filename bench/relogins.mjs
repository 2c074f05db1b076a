/**
 * Measures how long users wait for an answer if they have to sign in again whenever a server does not know them: with
 * four servers whose sessions are in memory, behind HAProxy, and with sessions at the edge. First all servers are up,
 * then one after the other restarts: `node bench/relogins.mjs`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { ChatServers } from "./chat-servers.mjs";
import { experiment } from "./experiment.mjs";
import { picture } from "./picture.mjs";
import { machine } from "./recorded.mjs";
import { FRONTS, restartInTurn } from "./restarts.mjs";
import { Users } from "./users.mjs";

const SERVERS = 4;

/**
 * Times in milliseconds: until all users are signed in, of the phase without restarts, and of each restart.
 * @typedef {{ first: number, quiet: number, away: number, calm: number, restarts: number }} Pace
 */

/** @type {Pace} */
const USUAL = { first: 2_000, quiet: 10_000, away: 1_000, calm: 2_500, restarts: SERVERS };
const QUICK = { first: 1_500, quiet: 3_000, away: 500, calm: 1_500, restarts: 2 };

/** @typedef {{ phase: string, name: string } & import("./users.mjs").Wait} ReloginRow */

const QUIET = "all four are up";
const RESTARTS = "rolling restart";

await experiment(
  {
    file: import.meta.filename,
    does: "Measures what users wait for when servers forget who is signed in, behind HAProxy and behind Vestibule.",
    takes: "2 minutes",
    tools: ["haproxy"],
  },
  async (run) => {
    const pace = run.isQuick ? QUICK : USUAL;
    /** @type {ReloginRow[]} */
    const quiet = [];
    /** @type {ReloginRow[]} */
    const restarted = [];
    for (const [name, open] of FRONTS) {
      const servers = await ChatServers.reserve(run, SERVERS, "account-server.mjs");
      await servers.start(...servers.ports.keys());
      const users = new Users(await open(run, servers));
      run.after(() => users.leave());
      await pause(pace.first);
      users.take();
      await pause(pace.quiet);
      quiet.push({ phase: QUIET, name, ...users.take() });
      await restartInTurn(servers, pace, pace.restarts);
      restarted.push({ phase: RESTARTS, name, ...users.take() });
      await run.end();
    }
    const table = [...quiet, ...restarted];
    return {
      name: "relogins",
      part: { relogins: { made: machine(), table } },
      picture: drawn(table),
    };
  },
);

/** @param {ReloginRow[]} rows */
function drawn(rows) {
  const panels = [QUIET, RESTARTS].map((title) => {
    const bars = rows
      .filter(({ phase }) => phase === title)
      .map(({ name, thrownOut, average, p99 }) => {
        /** @type {import("./picture.mjs").Tone} */
        const tone = thrownOut > 0 ? "bad" : "good";
        const text = `${average.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms · ${thrownOut.toFixed(1)} % signed out`;
        return { label: name, value: average, text, tone };
      });
    return { title, bars };
  });
  return picture(
    "How long users wait for an answer, with the sign-ins that it takes",
    "Behind it the messages for which a user had to sign in again. An answer itself takes 100 ms.",
    panels,
  );
}
