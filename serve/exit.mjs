/** Ends the command with a message and an exit code of `sysexits.h`, which systemd shows by name. */
import { Fault } from "../scripts/progress.mjs";

/** Exit codes. */
export const CODES = {
  /** The command line is wrong. */
  usage: 64,
  /** A port or a store is unavailable. */
  unavailable: 69,
  /** The runtime ended again and again. */
  software: 70,
  /** A setting is wrong. */
  configuration: 78,
};

export class Failure extends Fault {
  /**
   * @param {keyof typeof CODES} kind
   * @param {string} message what happened, and what to do
   */
  constructor(kind, message) {
    super(message);
    this.code = CODES[kind];
  }
}
