/** What the deployment binds: the namespace, and settings as text. */
interface Env {
  SESSIONS: KVNamespace;
  SESSION_OBJECTS: DurableObjectNamespace<import("./session-object.js").SessionObject>;
  DIRECTORY_OBJECTS: DurableObjectNamespace<import("./directory-object.js").DirectoryObject>;
  POOL_OBJECTS: DurableObjectNamespace<import("./pool-object.js").PoolObject>;
  ATTEMPT_OBJECTS: DurableObjectNamespace<import("./attempt-object.js").AttemptObject>;
  TELEMETRY_OBJECTS?: DurableObjectNamespace<import("./telemetry-object.js").TelemetryObject>;
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
