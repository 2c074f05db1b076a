/**
 * Polls a resource while the page is visible. If that fails, the last value stays, with the reason and
 * its time.
 */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { isOver, Refusal } from "./api.js";

/** Maximum polling interval after failures, in milliseconds. */
const LONGEST_PAUSE = 30_000;

/**
 * @template T
 * @typedef {object} Reading
 * @property {T | undefined} value the last value
 * @property {number} at its time in milliseconds; 0 for never
 * @property {Refusal | undefined} fault the reason if the last request failed
 * @property {() => void} refresh requests at once
 */

/**
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @param {number} every milliseconds; 0 for once
 * @param {unknown[]} about a change of these discards the known value
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
    /** Whether the request in flight is older than a change. */
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
