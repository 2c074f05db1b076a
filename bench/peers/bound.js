/** The floor with our objects and files bound, which excludes workerd's own cost of bindings. */
import { DurableObject } from "cloudflare:workers";

export class SessionObject extends DurableObject {}
export class DirectoryObject extends DurableObject {}
export class PoolObject extends DurableObject {}
export class AttemptObject extends DurableObject {}
export class TelemetryObject extends DurableObject {}

export { default } from "./bare.js";
