/** Shows the keys that the schema allows at the caret, with buttons that insert them. */
import { nodeAt, nodeOf, pathOf } from "./json-text.js";
import { addition, kindOf, schemaAt } from "./schema.js";

/** @import { Schema } from "../backend.d.ts" */
/** @import { Draft } from "./draft.js" */
/** @import { Selection } from "./editor.jsx" */
/** @import { Node } from "./json-text.js" */

/** @param {{ draft: Draft, schema: Schema | null, select: (selection: Selection) => void }} props */
export function Reference({ draft, schema, select }) {
  const text = draft.text.value;
  const root = draft.reading.value.root;
  if (!schema) return <p class="soft">Loading the schema …</p>;
  if (!root)
    return (
      <p class="soft">Correct the marked line. Then the keys that are allowed there appear here.</p>
    );
  const at = nodeAt(root, draft.caret.value);
  const node = at.kind === "value" ? nodeOf(root, pathOf(at.keys.slice(0, -1))) : at;
  const here = schemaAt(schema, node.keys);
  return (
    <>
      <Crumbs root={root} node={node} select={select} />
      {here?.description && <p>{here.description}</p>}
      {at !== node && <Value node={at} schema={schemaAt(schema, at.keys)} select={select} />}
      {here?.type === "array" && here.items && (
        <button
          type="button"
          onClick={() => select(addition(text, node, null, /** @type {Schema} */ (here.items)))}
        >
          Add an entry
        </button>
      )}
      {here?.properties && <Keys node={node} schema={here} text={text} select={select} />}
      {!here && <p class="soft">The schema does not describe this.</p>}
    </>
  );
}

/** @param {{ root: Node, node: Node, select: (selection: Selection) => void }} props */
function Crumbs({ root, node, select }) {
  const steps = [[], ...node.keys.map((_, at) => node.keys.slice(0, at + 1))];
  return (
    <p class="crumbs mono">
      {steps.map((keys) => {
        const { start } = nodeOf(root, pathOf(keys));
        return (
          <button
            type="button"
            class="link"
            key={pathOf(keys)}
            onClick={() => select({ from: start + 1, to: start + 1 })}
          >
            {keys.length === 0 ? "document" : String(keys.at(-1))}
          </button>
        );
      })}
    </p>
  );
}

/**
 * Describes the value at the caret.
 * @param {{ node: Node, schema: Schema | undefined, select: (selection: Selection) => void }} props
 */
function Value({ node, schema, select }) {
  if (!schema) return null;
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : []);
  return (
    <div class="value">
      <p>
        <b class="mono">{String(node.keys.at(-1))}</b> <span class="soft">{kindOf(schema)}</span>
      </p>
      {schema.description && <p>{schema.description}</p>}
      {choices.length > 0 && (
        <div class="buttons">
          {choices.map((choice) => (
            <button
              type="button"
              key={String(choice)}
              onClick={() =>
                select({ from: node.start, to: node.end, text: JSON.stringify(choice) })
              }
            >
              {String(choice)}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}

/**
 * @param {{ node: Node, schema: Schema, text: string, select: (selection: Selection) => void }} props
 */
function Keys({ node, schema, text, select }) {
  const entries = Object.entries(schema.properties ?? {});
  const present = new Map(node.inside.map((inner) => [inner.keys.at(-1), inner]));
  return (
    <ul class="keys">
      {entries.map(([key, inner]) => {
        const there = present.get(key);
        return (
          <li key={key}>
            <p>
              <b class="mono">{key}</b>
              {schema.required?.includes(key) && <span class="required">required</span>}
              <span class="soft">{kindOf(inner)}</span>
            </p>
            <p class="soft">
              {inner.description}
              {inner.default !== undefined && ` Default: ${JSON.stringify(inner.default)}.`}
            </p>
            <button
              type="button"
              class={there ? "link" : undefined}
              onClick={() =>
                select(
                  there
                    ? { from: there.start + 1, to: there.start + 1 }
                    : addition(text, node, key, inner),
                )
              }
            >
              {there ? "Show" : "Add"}
              <span class="visually-hidden"> {key}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}
