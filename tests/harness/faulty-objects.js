/**
 * The Worker's own Durable Objects, made to fail by a test: before a command, or after it was applied.
 */
// @ts-expect-error: it stands beside this file only where workerd runs it.
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
      // A text that has no length: the instance is entered, and left by an exception.
      if (mood === "traps") return super.call(Symbol("no text"), command);
      const answer = await super.call(id, command);
      if (mood === "loses answers") throw new Error("lost by the test");
      return answer;
    }
  };
}

export const SessionObject = faulty(real.SessionObject, "SessionObject");
export const PoolObject = real.PoolObject;
export const AttemptObject = real.AttemptObject;
export const TelemetryObject = faulty(real.TelemetryObject, "TelemetryObject");
export const DirectoryObject = faulty(real.DirectoryObject, "DirectoryObject");
export default real.default;
