/** Shows JSON as a tree that opens and closes. */

/** Initial depth of open nodes. */
const OPEN = 2;

/**
 * @param {{ value: unknown, name?: string, path?: string, hidden: string[], depth?: number }} props
 *   `hidden`: paths with values that the API hides
 */
export function Tree({ value, name, path = "", hidden, depth = 0 }) {
  const label = name !== undefined && <span class="key">{name}</span>;
  if (path !== "" && hidden.includes(path)) {
    return (
      <div class="leaf">
        {label} <span class="redacted">hidden: it looks like a secret</span>
      </div>
    );
  }
  if (value === null || typeof value !== "object") {
    return (
      <div class="leaf">
        {label} <span class={value === null ? "null" : typeof value}>{JSON.stringify(value)}</span>
      </div>
    );
  }
  const isList = Array.isArray(value);
  const entries = Object.entries(value);
  const size = isList ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0) {
    return (
      <div class="leaf">
        {label} <span class="null">{isList ? "[] empty" : "{} empty"}</span>
      </div>
    );
  }
  return (
    <details open={depth < OPEN}>
      <summary>
        {label || "data"} <span class="soft">{size}</span>
      </summary>
      {entries.map(([key, inner]) => (
        <Tree
          key={key}
          name={key}
          value={inner}
          path={isList ? `${path}[${key}]` : path ? `${path}.${key}` : key}
          hidden={hidden}
          depth={depth + 1}
        />
      ))}
    </details>
  );
}
