/** What the deployment binds: the namespace, and settings as text. */
interface Env {
  SESSIONS: KVNamespace;
  SESSION_OBJECTS: DurableObjectNamespace<CalledObject>;
  DIRECTORY_OBJECTS: DurableObjectNamespace<CalledObject>;
  POOL_OBJECTS: DurableObjectNamespace<CalledObject>;
  ATTEMPT_OBJECTS: DurableObjectNamespace<CalledObject>;
  TELEMETRY_OBJECTS?: DurableObjectNamespace<CalledObject>;
  ANALYTICS?: AnalyticsEngineDataset;
  TELEMETRY_EVERY?: string;
  DECISIONS?: string;
  LOG_LINES?: string;
  OTLP_ENDPOINT?: string;
  OTLP_HEADERS?: string;
  NEW_SESSION_LIMITER: RateLimit;
  TENANTS?: KVNamespace;
  USERS?: KVNamespace;
  TENANTS_DB?: D1Database;
  [setting: string]: unknown;
}

/** A Durable Object, as Rust implements it. */
interface ObjectImplementation {
  call(name: string, command: string): Promise<Uint8Array>;
  alarm?(): Promise<void>;
}

type ImplementedObject = new (
  state: DurableObjectState,
  env: Env,
  context: import("./context.js").RequestContext,
) => ObjectImplementation;

type CalledObject = InstanceType<typeof import("./objects.js").SessionObject>;

declare module "*.bin" {
  const bytes: ArrayBuffer;
  export default bytes;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
