/** Formats numbers and times for people. */

const LOCALE = "en";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(LOCALE, { notation: "compact", maximumFractionDigits: 1 });
const share = new Intl.NumberFormat(LOCALE, { style: "percent", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(LOCALE, { timeStyle: "medium", hourCycle: "h23" });
const moment = new Intl.DateTimeFormat(LOCALE, {
  dateStyle: "medium",
  timeStyle: "long",
  hourCycle: "h23",
});

/** Smallest count that is shown in thousands or millions. */
const LARGE = 1_000_000;

/** @param {number} number */
export function count(number) {
  return number < LARGE ? whole.format(number) : short.format(number);
}

/**
 * Formats a number with its significant digits.
 * @param {number} number
 */
export function amount(number) {
  if (number >= 1000) return count(number);
  return number.toFixed(number >= 100 ? 0 : number >= 10 ? 1 : 2).replace(/^0\.00$/, "0");
}

/** @param {number} part of 1 */
export function percent(part) {
  return part > 0 && part < 0.0005 ? "< 0.1%" : share.format(part);
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 0.0000005) return "0 ms";
  if (seconds < 0.9995) {
    const milliseconds = seconds * 1000;
    return `${milliseconds.toFixed(milliseconds < 9.95 ? 1 : 0)} ms`;
  }
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** @type {[number, string][]} */
const UNITS = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/**
 * Formats a length of time. From an hour on it has two units, because "7 h" could be almost eight.
 * @param {number} seconds
 */
export function span(seconds) {
  const whole = Math.floor(seconds);
  const at = UNITS.findIndex(([least]) => whole >= least);
  if (at < 0) return "0 s";
  const [size, unit] = UNITS[at];
  const first = `${Math.floor(whole / size)} ${unit}`;
  if (size < 3_600) return first;
  const [smaller, smallerUnit] = UNITS[at + 1];
  const rest = Math.floor((whole % size) / smaller);
  return rest > 0 ? `${first} ${rest} ${smallerUnit}` : first;
}

/**
 * @param {number} at milliseconds
 * @param {number} now
 */
export function relative(at, now) {
  const seconds = (at - now) / 1000;
  if (Math.abs(seconds) < 1) return "now";
  return seconds < 0 ? `${span(-seconds)} ago` : `in ${span(seconds)}`;
}

/** @param {number} at milliseconds */
export function timeOfDay(at) {
  return clock.format(at);
}

/** @param {number} at milliseconds */
export function absolute(at) {
  return moment.format(at);
}

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}
