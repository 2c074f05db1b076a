/**
 * The Worker's own Durable Objects, made to fail by a test: before a command, or after it was applied.
 */
// @ts-expect-error: it stands beside this file only where workerd runs it.
import * as real from "./index.js";

/** @param {any} Class */
function faulty(Class) {
  return class extends Class {
    /**
     * @param {string} name
     * @param {string} command
     */
    async call(name, command) {
      const mood = await (await this.env.MOOD.fetch(`http://mood/${Class.name}`)).text();
      if (mood === "refuses") throw new Error("refused by the test");
      if (mood === "hangs") await new Promise(() => {});
      const answer = await super.call(name, command);
      if (mood === "loses answers") throw new Error("lost by the test");
      return answer;
    }
  };
}

export const SessionObject = faulty(real.SessionObject);
export const PoolObject = real.PoolObject;
export const AttemptObject = real.AttemptObject;
export const TelemetryObject = faulty(real.TelemetryObject);
export const DirectoryObject = faulty(real.DirectoryObject);
export default real.default;
