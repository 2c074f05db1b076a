/** Shows the document as a form, which the schema describes. Each change is written into the JSON. */
import { createContext } from "preact";
import { useContext, useId, useRef } from "preact/hooks";
import { renamed, valueAt, withValue } from "./document.js";
import { nodeOf, pathOf } from "./json-text.js";
import { example, kindOf } from "./schema.js";
import { written } from "./templates.js";

/** @import { ComponentChildren } from "preact" */
/** @import { Schema } from "../backend.d.ts" */
/** @import { Keys } from "./document.js" */
/** @import { Draft } from "./draft.js" */
/** @import { Selection } from "./editor.jsx" */

/**
 * @typedef {object} Form
 * @property {unknown} document
 * @property {(document: unknown) => void} write
 * @property {(path: string) => string} problem of the value at a path; empty if there is none
 * @property {(keys: Keys) => void} showJson
 */

const FormContext = createContext(/** @type {Form} */ (/** @type {unknown} */ (null)));

/** @typedef {{ name: string, schema: Schema, keys: Keys, required?: boolean }} FieldProps */

/**
 * @param {{ draft: Draft, schema: Schema | null, showJson: (selection: Selection) => void }} props
 */
export function DocumentForm({ draft, schema, showJson }) {
  const { root, mistake } = draft.reading.value;
  const text = draft.text.value;
  if (!schema) return <p class="soft form-note">Loading the schema …</p>;
  if (!root || mistake || root.kind !== "object")
    return (
      <div class="form-note">
        <p>The JSON has a mistake, so that it cannot be shown as a form.</p>
        <button
          type="button"
          onClick={() => showJson({ from: mistake?.at ?? 0, to: mistake?.at ?? 0 })}
        >
          Show the mistake in the JSON
        </button>
      </div>
    );
  /** @type {Form} */
  const form = {
    document: JSON.parse(text),
    write: (document) => {
      draft.text.value = written(document ?? {});
    },
    problem: (path) => draft.faults.value.find((fault) => fault.path === path)?.problem ?? "",
    showJson: (keys) => {
      const { start } = nodeOf(root, pathOf(keys));
      showJson({ from: start, to: start });
    },
  };
  return (
    <FormContext.Provider value={form}>
      <div class="form">
        <Members schema={schema} keys={[]} />
      </div>
    </FormContext.Provider>
  );
}

/** Members of the document that most documents have, in the order of their importance. */
const FIRST = ["id", "hosts", "origins", "login", "session", "branding"];

/** @param {{ schema: Schema, keys: Keys }} props */
function Members({ schema, keys }) {
  const members = Object.entries(schema.properties ?? {});
  const rank = (/** @type {string} */ name) =>
    keys.length === 0 && FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  const isRequired = (/** @type {string} */ name) => schema.required?.includes(name) ?? false;
  // Sorting is stable.
  members.sort(([a], [b]) => rank(a) - rank(b) || Number(isRequired(b)) - Number(isRequired(a)));
  return (
    <>
      {members.map(([name, inner]) => (
        <Field
          key={name}
          name={name}
          schema={inner}
          keys={[...keys, name]}
          required={isRequired(name)}
        />
      ))}
    </>
  );
}

/** @param {FieldProps} props */
function Field(props) {
  const { schema } = props;
  if (schema.properties) return <Group {...props}>{<Members {...props} />}</Group>;
  if (schema.type === "array")
    return schema.items?.properties ? <Entries {...props} /> : <Texts {...props} />;
  if (typeof schema.additionalProperties === "object") return <Pairs {...props} />;
  if (schema.enum || schema.type === "boolean") return <Choice {...props} />;
  if (schema.type === "string" || schema.type === "integer") return <Input {...props} />;
  return <OnlyJson {...props} />;
}

/**
 * Shows a part that opens; it is open at first if the document has it.
 * @param {FieldProps & { count?: number, children: ComponentChildren }} props
 */
function Group({ name, schema, keys, required, count, children }) {
  const { document, problem } = useContext(FormContext);
  const value = valueAt(document, keys);
  const fault = problem(pathOf(keys));
  /** Later changes of the document must not close what is being edited. */
  const isOpen = useRef(value !== undefined && keys.length < 3);
  return (
    <details class="group" open={isOpen.current}>
      <summary>
        <b class="mono">{name}</b>
        {required && <span class="required">required</span>}
        {value === undefined && <span class="soft">not set</span>}
        {count !== undefined && count > 0 && <span class="soft">{count}</span>}
      </summary>
      {schema.description && <p class="soft">{schema.description}</p>}
      {fault && <p class="fault">{fault}</p>}
      <div class="members">{children}</div>
    </details>
  );
}

/**
 * Shows a label, a control and its fault.
 * @param {{ name: string, schema: Schema, keys: Keys, required?: boolean, hint?: string,
 *   control: (attributes: { id: string, "aria-describedby": string, "aria-invalid"?: "true" }) => ComponentChildren }} props
 */
function Labelled({ name, schema, keys, required, hint, control }) {
  const id = useId();
  const fault = useContext(FormContext).problem(pathOf(keys));
  return (
    <div class="field">
      <label for={id}>
        <b class="mono">{name}</b> {required && <span class="required">required</span>}
        {hint && <span class="soft">{hint}</span>}
      </label>
      {control({
        id,
        "aria-describedby": `${id}-help ${id}-fault`,
        ...(fault && { "aria-invalid": /** @type {const} */ ("true") }),
      })}
      <p class="soft" id={`${id}-help`}>
        {schema.description}
      </p>
      <p class="fault" id={`${id}-fault`}>
        {fault}
      </p>
    </div>
  );
}

/** @param {FieldProps} props */
function Input(props) {
  const { schema, keys, required } = props;
  const form = useContext(FormContext);
  const value = valueAt(form.document, keys);
  const isNumber = schema.type === "integer";
  const write = (/** @type {string} */ text) => {
    const number = Number(text);
    const isEmpty = text === "" && !required;
    const next = isNumber && text !== "" && Number.isFinite(number) ? number : text;
    form.write(withValue(form.document, keys, isEmpty ? undefined : next));
  };
  return (
    <Labelled
      {...props}
      control={(attributes) => (
        <input
          {...attributes}
          inputMode={isNumber ? "numeric" : undefined}
          value={value === undefined ? "" : String(value)}
          placeholder={schema.default === undefined ? "" : `Default: ${schema.default}`}
          required={required}
          spellcheck={false}
          autocapitalize="off"
          autocomplete="off"
          onInput={(event) => write(event.currentTarget.value)}
        />
      )}
    />
  );
}

/** @param {FieldProps} props */
function Choice(props) {
  const { schema, keys, required } = props;
  const form = useContext(FormContext);
  const value = valueAt(form.document, keys);
  const choices = schema.enum ?? [true, false];
  const write = (/** @type {string} */ text) => {
    const next = choices.find((choice) => String(choice) === text);
    form.write(withValue(form.document, keys, next));
  };
  const isForeign = value !== undefined && !choices.some((choice) => choice === value);
  return (
    <Labelled
      {...props}
      control={(attributes) => (
        <select
          {...attributes}
          value={value === undefined ? "" : String(value)}
          onChange={(event) => write(event.currentTarget.value)}
        >
          {(!required || value === undefined) && (
            <option value="">
              {schema.default === undefined ? "not set" : `Default: ${schema.default}`}
            </option>
          )}
          {isForeign && <option value={String(value)}>{String(value)}</option>}
          {choices.map((choice) => (
            <option key={String(choice)} value={String(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      )}
    />
  );
}

/** Shows a list of texts, one a line. @param {FieldProps} props */
function Texts(props) {
  const { keys } = props;
  const form = useContext(FormContext);
  const value = valueAt(form.document, keys);
  const lines = Array.isArray(value) ? value.map(String) : [];
  const write = (/** @type {string} */ text) => {
    const entries = text.split("\n").map((line) => line.trim());
    // A line that is being begun stays.
    const next = entries.filter((line, at) => line !== "" || at === entries.length - 1);
    const isEmpty = next.every((line) => line === "");
    form.write(withValue(form.document, keys, isEmpty ? undefined : next));
  };
  return (
    <Labelled
      {...props}
      hint="one per line"
      control={(attributes) => (
        <textarea
          {...attributes}
          rows={Math.max(2, lines.length + 1)}
          value={lines.join("\n")}
          spellcheck={false}
          autocapitalize="off"
          onInput={(event) => write(event.currentTarget.value)}
        />
      )}
    />
  );
}

/** Shows a list of objects. @param {FieldProps} props */
function Entries(props) {
  const { name, schema, keys } = props;
  const form = useContext(FormContext);
  const value = valueAt(form.document, keys);
  const entries = Array.isArray(value) ? value : [];
  const items = /** @type {Schema} */ (schema.items);
  return (
    <Group {...props} count={entries.length}>
      {entries.map((_, at) => {
        const own = [...keys, at];
        const title = entryTitle(form.document, own);
        return (
          <fieldset class="entry" key={pathOf(own)}>
            <legend>{title}</legend>
            <Members schema={items} keys={own} />
            <button
              type="button"
              onClick={() => form.write(withValue(form.document, own, undefined))}
            >
              Remove<span class="visually-hidden"> {title}</span>
            </button>
          </fieldset>
        );
      })}
      <button
        type="button"
        onClick={() =>
          form.write(withValue(form.document, [...keys, entries.length], example(items)))
        }
      >
        Add<span class="visually-hidden"> an entry of {name}</span>
      </button>
    </Group>
  );
}

/**
 * @param {unknown} document
 * @param {Keys} keys
 */
function entryTitle(document, keys) {
  const named = ["name", "path", "title", "text"].map((key) => valueAt(document, [...keys, key]));
  const title = named.find((text) => typeof text === "string" && text !== "");
  return title ? String(title) : `Entry ${Number(keys.at(-1)) + 1}`;
}

/** Shows an object with free names: a row for each member. @param {FieldProps} props */
function Pairs(props) {
  const { name, schema, keys } = props;
  const form = useContext(FormContext);
  const inner = /** @type {Schema} */ (schema.additionalProperties);
  if (inner.type !== "string" && !inner.enum) return <OnlyJson {...props} />;
  const value = valueAt(form.document, keys);
  const members = value && typeof value === "object" ? Object.entries(value) : [];
  return (
    <Group {...props} count={members.length}>
      {members.map(([key]) => (
        <div class="pair" key={key}>
          <input
            aria-label={`Name in ${name}`}
            value={key}
            spellcheck={false}
            onChange={(event) => {
              const next = event.currentTarget.value.trim();
              const isTaken = members.some(([other]) => other === next);
              if (next === "" || isTaken) event.currentTarget.value = key;
              else form.write(renamed(form.document, keys, key, next));
            }}
          />
          <Field name={key || "value"} schema={inner} keys={[...keys, key]} required />
          <button
            type="button"
            onClick={() => form.write(withValue(form.document, [...keys, key], undefined))}
          >
            Remove<span class="visually-hidden"> {key}</span>
          </button>
        </div>
      ))}
      <button
        type="button"
        onClick={() => {
          const free = freeName(members.map(([key]) => key));
          form.write(withValue(form.document, [...keys, free], example(inner)));
        }}
      >
        Add<span class="visually-hidden"> to {name}</span>
      </button>
    </Group>
  );
}

/** @param {string[]} taken */
function freeName(taken) {
  let at = 1;
  while (taken.includes(`name-${at}`)) at += 1;
  return `name-${at}`;
}

/** Links to the JSON for what a form cannot show. @param {FieldProps} props */
function OnlyJson(props) {
  const form = useContext(FormContext);
  return (
    <Group {...props}>
      <button type="button" onClick={() => form.showJson(props.keys)}>
        Edit {props.name} as JSON
      </button>
      <p class="soft">{kindOf(props.schema)}</p>
    </Group>
  );
}
