/** What the deployment binds: the namespace, and settings as text. */
interface Env {
  SESSIONS: KVNamespace;
  [setting: string]: unknown;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
