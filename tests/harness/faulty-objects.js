/**
 * Wraps the Worker's Durable Objects so that tests can make them fail, before a command or after it was applied.
 */
// @ts-expect-error: it is next to this file only in workerd.
import * as real from "./index.js";

/**
 * @param {any} Class
 * @param {string} name
 */
function faulty(Class, name) {
  return class extends Class {
    /**
     * @param {string} id
     * @param {string} command
     */
    async call(id, command) {
      const mood = await (await this.env.MOOD.fetch(`http://mood/${name}`)).text();
      if (mood === "refuses") throw new Error("refused by the test");
      if (mood === "hangs") await new Promise(() => {});
      // A symbol is no text: the call enters the instance and leaves it by an exception.
      if (mood === "traps") return super.call(Symbol("no text"), command);
      const answer = await super.call(id, command);
      if (mood === "loses answers") throw new Error("lost by the test");
      return answer;
    }
  };
}

export const SessionObject = faulty(real.SessionObject, "SessionObject");
export const PoolObject = faulty(real.PoolObject, "PoolObject");
export const AttemptObject = real.AttemptObject;
export const TelemetryObject = faulty(real.TelemetryObject, "TelemetryObject");
export const DirectoryObject = faulty(real.DirectoryObject, "DirectoryObject");
export default real.default;
