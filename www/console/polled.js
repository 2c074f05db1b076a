/**
 * An answer that is asked for again and again while somebody looks. What was known stays when nothing
 * new is heard, with the reason and since when.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isOver, Refusal } from "./api.js";

/** After a failure it is asked less often, in milliseconds. */
const LONGEST_PAUSE = 30_000;

/**
 * @template T
 * @typedef {object} Reading
 * @property {T | undefined} value what was heard last
 * @property {number} at when, in milliseconds; 0 for never
 * @property {Refusal | undefined} fault why nothing newer was heard
 * @property {() => void} refresh asks at once
 */

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {number} every milliseconds; 0 for once
 * @param {unknown[]} about when these change, what was known is of something else
 * @returns {Reading<T>}
 */
export function usePolled(load, every, about) {
  const known = useSignal(/** @type {{ value?: T, at: number, fault?: Refusal }} */ ({ at: 0 }));
  const refresh = useRef(() => {});
  const over = isOver.value;

  useEffect(() => {
    known.value = { at: 0 };
  }, about);

  useEffect(() => {
    if (over) return;
    const ended = new AbortController();
    let timer = 0;
    let failures = 0;
    let isAsking = false;
    /** Whether what is being answered was asked before something changed. */
    let isDated = false;

    const look = async () => {
      clearTimeout(timer);
      isDated = isAsking;
      if (isAsking || ended.signal.aborted) return;
      isAsking = true;
      let pause = every;
      try {
        const value = await load(ended.signal);
        if (ended.signal.aborted) return;
        failures = 0;
        known.value = { value, at: Date.now() };
      } catch (error) {
        if (ended.signal.aborted) return;
        if (!(error instanceof Refusal)) throw error;
        failures += 1;
        pause = Math.max(
          error.wait * 1000,
          Math.min(LONGEST_PAUSE, (every || 2_000) * 2 ** failures),
        );
        known.value = { ...known.value, fault: error };
      } finally {
        isAsking = false;
      }
      if (isDated) look();
      else if ((every || failures) && !document.hidden) timer = setTimeout(look, pause);
    };
    const seen = () => {
      if (!document.hidden && every) look();
    };

    refresh.current = look;
    document.addEventListener("visibilitychange", seen);
    addEventListener("online", seen);
    look();
    return () => {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      removeEventListener("online", seen);
    };
  }, [...about, over]);

  const { value, at, fault } = known.value;
  return { value, at, fault, refresh: () => refresh.current() };
}
