/**
 * Returns how often a test repeats something: enough to find known faults, or with `LONG=1` as often as the
 * documentation claims.
 * @param {{ usual: number, long: number }} amounts
 */
export function amount({ usual, long }) {
  return process.env.LONG === "1" ? long : usual;
}
