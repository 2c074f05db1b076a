/**
 * The floor for identity headers: the client's request with as many headers as Vestibule sends for a session with
 * data and an assertion, all fixed except the trace.
 */
import { withHeaders } from "./headers.js";

const SESSION = {
  "x-session-id": "5egsOTI2JLAJhrajYtO2tA",
  "x-session-data": JSON.stringify({ tier: "pro", language: "en", summary: "x".repeat(780) }),
  "x-session-assertion": `eyJhbGciOiJFUzI1NiJ9.${"e".repeat(320)}.${"s".repeat(86)}`,
};

export default {
  /** @param {Request} request */
  fetch(request) {
    return fetch(withHeaders(request, SESSION));
  },
};
