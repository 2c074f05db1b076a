/** Shows a word in a frame; the colour adds no information to the word. */

/** @import { ComponentChildren } from "preact" */

/** @param {{ kind?: "good" | "warn" | "bad" | "plain", children: ComponentChildren }} props */
export function Badge({ kind = "plain", children }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}
