/** What the deployment binds: the namespace, and settings as text. */
interface Env {
  SESSIONS: KVNamespace;
  SESSION_OBJECTS: DurableObjectNamespace<import("./session-object.js").SessionObject>;
  DIRECTORY_OBJECTS: DurableObjectNamespace<import("./directory-object.js").DirectoryObject>;
  POOL_OBJECTS: DurableObjectNamespace<import("./pool-object.js").PoolObject>;
  ATTEMPT_OBJECTS: DurableObjectNamespace<import("./attempt-object.js").AttemptObject>;
  NEW_SESSION_LIMITER: RateLimit;
  TENANTS?: KVNamespace;
  USERS?: KVNamespace;
  TENANTS_DB?: D1Database;
  [setting: string]: unknown;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
