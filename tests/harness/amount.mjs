/**
 * How much of something a test does: enough to find what it has found before, or with `LONG=1` as much as the
 * documentation claims.
 * @param {{ usual: number, long: number }} amounts
 */
export function amount({ usual, long }) {
  return process.env.LONG === "1" ? long : usual;
}
