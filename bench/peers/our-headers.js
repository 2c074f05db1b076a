/**
 * The floor for identity headers: the client's request with as many headers and bytes as Vestibule sends for the same
 * session with an assertion, all fixed except the trace. The benchmark compares both before it measures.
 */
import { DATA } from "../session.mjs";
import { withHeaders } from "./headers.js";

const SESSION = {
  "x-session-id": "5egsOTI2JLAJhrajYtO2tA",
  "x-session-tenant": "default",
  "x-session-data": JSON.stringify(DATA),
  "x-session-assertion": `${"e".repeat(88)}.${"e".repeat(133)}.${"s".repeat(86)}`,
};

export default {
  /** @param {Request} request */
  fetch(request) {
    return fetch(withHeaders(request, SESSION));
  },
};
