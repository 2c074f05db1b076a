/** What the deployment binds: the namespace, and settings as text. */
interface Env {
  SESSIONS: KVNamespace;
  SESSION_OBJECTS: DurableObjectNamespace<import("./objects.js").CalledObject>;
  DIRECTORY_OBJECTS: DurableObjectNamespace<import("./objects.js").CalledObject>;
  POOL_OBJECTS: DurableObjectNamespace<import("./objects.js").CalledObject>;
  ATTEMPT_OBJECTS: DurableObjectNamespace<import("./objects.js").CalledObject>;
  TELEMETRY_OBJECTS?: DurableObjectNamespace<import("./objects.js").CalledObject>;
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

declare module "*.bin" {
  const bytes: ArrayBuffer;
  export default bytes;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
