/**
 * Runs scenarios of visitors while two releases serve side by side: each with the objects in either release,
 * with objects and with KV alone, and with the first request to either release.
 */
import { after, test } from "node:test";
import { open, TwoReleases } from "./two-releases.mjs";

/** @typedef {import("./two-releases.mjs").Scene} Scene */
/** @typedef {import("./two-releases.mjs").Consistency} Consistency */
/** @typedef {import("./two-releases.mjs").Describe} Describe */

/**
 * @typedef {object} Scenario
 * @property {string} what happens
 * @property {(scene: Scene) => Promise<void>} act
 * @property {Consistency[]} consistencies
 * @property {Describe} describe fields of the site's document
 */

/** Releases that run the objects, with their descriptions. */
const RUNNERS = /** @type {const} */ ([
  ["before", "the release before runs the objects"],
  ["current", "this release runs the objects"],
]);

export class Scenarios {
  /** @type {Scenario[]} */
  #all = [];

  /**
   * @param {string} what
   * @param {(scene: Scene) => Promise<void>} act
   * @param {{ consistencies?: Consistency[], describe?: Describe }} [options]
   */
  add = (what, act, { consistencies = ["strong", "eventual"], describe = () => ({}) } = {}) => {
    this.#all.push({ what, act, consistencies, describe });
  };

  /** Creates a test of each scenario. */
  async run() {
    for (const [runner, how] of RUNNERS) {
      const releases = await TwoReleases.start({ after }, runner);
      for (const { what, act, consistencies, describe } of this.#all) {
        for (const consistency of consistencies) {
          const alone = consistency === "eventual" ? ", with KV alone" : "";
          test(`${what}${alone}; ${how}`, async (t) => {
            for (const first of /** @type {const} */ (["before", "current"])) {
              const scene = await open(t, releases, consistency, describe);
              releases.next(first);
              await releases.soundly(() => act(scene));
            }
          });
        }
      }
    }
  }
}
