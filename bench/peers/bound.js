/** The floor with our objects and files bound to it: what workerd does for those is not our Worker's doing. */
import { DurableObject } from "cloudflare:workers";

export class SessionObject extends DurableObject {}
export class DirectoryObject extends DurableObject {}
export class PoolObject extends DurableObject {}
export class AttemptObject extends DurableObject {}
export class TelemetryObject extends DurableObject {}

export { default } from "./bare.js";
