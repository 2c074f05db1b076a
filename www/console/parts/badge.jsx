/** A word in a frame: the colour says nothing that the word does not. */

/** @import { ComponentChildren } from "preact" */

/** @param {{ kind?: "good" | "warn" | "bad" | "plain", children: ComponentChildren }} props */
export function Badge({ kind = "plain", children }) {
  return <span class={`badge ${kind}`}>{children}</span>;
}
