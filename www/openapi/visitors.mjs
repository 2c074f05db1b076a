/** Paths for browsers and programs. */

import { HANDLE, SUMMARY_EXAMPLE } from "./examples.mjs";
import { SESSION_NAME } from "./names.mjs";
import {
  ANYBODY,
  empty,
  formBody,
  inPath,
  inQuery,
  json,
  jsonBody,
  operation,
  PAGE,
  redirect,
  textual,
  VISITOR,
} from "./operation.mjs";
import { FORM_BODY, JSON_BODY, SESSION } from "./problems.mjs";

const COOKIE = { "Set-Cookie": "The session's cookie." };
const NAME = inPath("name", "The session's `X-Session-Id`.", SESSION_NAME, HANDLE);
const RETURN_TO = inQuery("return_to", "Path on this site to return to.");

/** What a sign-in may cause besides. */
const SIGN_IN = [...SESSION, "overloaded", "tenant_full", "not_admitted"];
const PROVIDER = ["idp_failed", "idp_token_invalid", "idp_misconfigured", "idp_unavailable"];
const PASSWORD = ["login_wrong", "login_locked", "login_busy", "accounts_unavailable"];

/** @param {Omit<import("./operation.mjs").Operation, "tag" | "hasPages">} own */
const visitors = (own) => operation({ ...own, tag: "visitors", hasPages: true });

export const VISITORS = {
  "/healthz": {
    get: operation({
      id: "getLiveness",
      tag: "deployment",
      summary: "Reports that the Worker runs, without I/O",
      security: ANYBODY,
      responses: { 200: json("Health", { status: "ok" }) },
    }),
  },
  "/readyz": {
    get: visitors({
      id: "getReadiness",
      summary: "Reports whether storage answers",
      security: ANYBODY,
      responses: { 200: json("Health", { status: "ready" }) },
      problems: ["store_unavailable"],
    }),
  },
  "/openapi.json": {
    get: visitors({
      id: "getDescription",
      summary: "Returns this description",
      security: ANYBODY,
      responses: {
        200: {
          description: "This document.",
          headers: { ETag: { description: "Its version.", schema: { type: "string" } } },
          content: { "application/json": { schema: { type: "object" } } },
        },
        304: empty("It is the one that `If-None-Match` names."),
      },
      problems: ["not_found"],
    }),
  },
  "/me": {
    get: visitors({
      id: "getMe",
      summary: "Returns the caller's session",
      description: "A caller without a session gets one, where guests are admitted.",
      security: VISITOR,
      responses: {
        200: json(
          "Me",
          {
            handle: HANDLE,
            tenant: "default",
            state: "active",
            user: "ada",
            email: "ada@example.com",
            name: "Ada Lovelace",
            groups: ["staff"],
            stored: true,
            created: 1790000000,
            expires: 1790086400,
            idle_seconds_left: 86400,
            absolute_seconds_left: 604800,
            data: { visits: 3 },
          },
          COOKIE,
        ),
      },
      problems: [...SESSION, "no_session", "too_many_sessions"],
    }),
  },
  "/login": {
    get: visitors({
      id: "getLogin",
      summary: "Shows the sign-in page, or begins a sign-in at a provider",
      description: "A program gets the ways to sign in.",
      security: ANYBODY,
      parameters: [
        RETURN_TO,
        inQuery("provider", "Name of the provider to begin with."),
        inQuery("challenge", "Challenge of a frame's sign-in, in its window."),
        inQuery("max_age", "Maximum age of the sign-in at the provider, in seconds."),
      ],
      responses: {
        200: {
          ...json("LoginMethods", {
            password: true,
            providers: [{ name: "corp", title: "Example Corp" }],
          }),
          content: {
            "application/json": json("LoginMethods", { password: true, providers: [] }).content[
              "application/json"
            ],
            "text/html": { schema: { type: "string" } },
          },
        },
        303: redirect("The browser goes to the provider."),
      },
      problems: [...SIGN_IN, ...PROVIDER, "login_unconfigured", "not_found", "invalid"],
    }),
    post: visitors({
      id: "logIn",
      summary: "Signs in by name and password",
      security: VISITOR,
      body: formBody("PasswordLogin", { username: "ada", password: "difference engine" }),
      responses: {
        200: json("LoggedIn", { return_to: "/" }, COOKIE),
        303: redirect("The browser returns to the site."),
      },
      problems: [
        ...SIGN_IN,
        ...PASSWORD,
        ...JSON_BODY,
        "json_count",
        "csrf",
        "login_unconfigured",
        "invalid",
      ],
    }),
  },
  "/callback": {
    get: visitors({
      id: "finishLogin",
      summary: "Finishes a sign-in at a provider",
      security: ANYBODY,
      parameters: ["state", "code", "iss", "error", "idp"].map((name) =>
        inQuery(name, "Sent by the provider."),
      ),
      responses: {
        200: textual("The page of a window that signs in for a frame.", "text/html"),
        303: redirect("The browser returns to the site."),
      },
      problems: [...SIGN_IN, ...PROVIDER, "login_state", "login_denied", "login_mixup"],
    }),
  },
  "/popup": {
    get: visitors({
      id: "getPopup",
      summary: "Shows the window that signs in for a frame of another site's page",
      security: ANYBODY,
      parameters: [inQuery("challenge", "Challenge of the frame's sign-in.")],
      responses: { 200: PAGE },
      problems: ["not_found", "invalid"],
    }),
    post: visitors({
      id: "redeemPopup",
      summary: "Signs the frame's session in with the window's code",
      security: VISITOR,
      body: {
        required: true,
        content: {
          "application/x-www-form-urlencoded": {
            schema: { $ref: "#/components/schemas/PopupCode" },
            example: { state: "q83vASNFZ4mrze8BI0VniQ", code: "AQEr" },
          },
        },
      },
      responses: { 303: redirect("The frame returns to the site.") },
      problems: [...SIGN_IN, ...FORM_BODY, "csrf", "invalid", "login_state"],
    }),
  },
  "/token": {
    post: visitors({
      id: "exchangeToken",
      summary: "Exchanges a token of a trusted issuer for a session",
      description: "The token is in the body, or in `Authorization` as a bearer token.",
      security: [{}, { issuersToken: [] }],
      body: jsonBody("TokenExchange", { token: "eyJhbGciOiJFUzI1NiJ9.e30.c2ln" }, false),
      responses: {
        200: json(
          "SessionToken",
          {
            token: "AQEr…",
            token_type: "Bearer",
            expires: 1790086400,
            handle: HANDLE,
            user: "ada",
          },
          COOKIE,
        ),
      },
      problems: [...SIGN_IN, ...PROVIDER, ...JSON_BODY, "json_count", "csrf", "token_invalid"],
    }),
  },
  "/password": {
    get: visitors({
      id: "getPasswordPage",
      summary: "Shows the page that changes the user's password",
      security: VISITOR,
      responses: { 200: PAGE, 204: empty("The caller, a program, can change the password.") },
      problems: [...SESSION, "no_session", "not_found"],
    }),
    post: visitors({
      id: "changePassword",
      summary: "Changes the user's password, and ends all sessions of the user",
      security: VISITOR,
      body: formBody("PasswordChange", { current: "difference engine", new: "analytical engine" }),
      responses: {
        200: PAGE,
        204: empty(),
        401: PAGE,
        422: PAGE,
      },
      problems: [
        ...SESSION,
        ...PASSWORD,
        ...JSON_BODY,
        "json_count",
        "no_session",
        "not_found",
        "csrf",
        "invalid",
      ],
    }),
  },
  "/jwks.json": {
    get: visitors({
      id: "getKeys",
      summary: "Returns the public keys of `X-Session-Assertion`",
      security: ANYBODY,
      responses: {
        200: json("JsonWebKeys", {
          keys: [
            {
              kty: "EC",
              crv: "P-256",
              x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
              kid: "k1",
              alg: "ES256",
              use: "sig",
            },
          ],
        }),
      },
      problems: ["not_found"],
    }),
  },
  "/logout": {
    get: visitors({
      id: "getLogoutPage",
      summary: "Shows a page that asks whether to sign out",
      description: "A program gets 405: a GET changes nothing.",
      security: ANYBODY,
      responses: { 200: PAGE },
      problems: ["method_not_allowed"],
    }),
    post: visitors({
      id: "logOut",
      summary: "Ends the caller's session, or all of the user's",
      security: VISITOR,
      body: formBody("SignOut", { everywhere: true }, false),
      responses: {
        200: json("SignedOut", { continue: "https://id.example/logout?client_id=chat" }, COOKIE),
        204: empty("The session is over.", COOKIE),
        303: redirect("The browser goes to the page after signing out."),
      },
      problems: [...SESSION, ...JSON_BODY, "json_count", "csrf", "invalid"],
    }),
  },
  "/signed-out": {
    get: visitors({
      id: "getSignedOutPage",
      summary: "Shows the page after signing out",
      security: ANYBODY,
      responses: { 200: PAGE },
    }),
  },
  "/backchannel-logout": {
    post: visitors({
      id: "logOutByProvider",
      summary: "Ends sessions that a provider reports as signed out",
      description: "OpenID Connect Back-Channel Logout 1.0.",
      security: ANYBODY,
      body: {
        required: true,
        content: {
          "application/x-www-form-urlencoded": {
            schema: { $ref: "#/components/schemas/LogoutToken" },
            example: { logout_token: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln" },
          },
        },
      },
      responses: {
        200: empty("The sessions are over."),
        400: json("LogoutRefused", { error: "invalid_request", error_description: "expired" }),
      },
      problems: [...PROVIDER, ...FORM_BODY, "store_unavailable"],
    }),
  },
  "/sessions": {
    get: visitors({
      id: "listMySessions",
      summary: "Lists the sessions of the caller's user",
      security: VISITOR,
      responses: { 200: json("MySessions", { sessions: [{ ...SUMMARY_EXAMPLE, current: true }] }) },
      problems: [...SESSION, "no_session", "list_unavailable"],
    }),
  },
  "/sessions/{name}": {
    delete: visitors({
      id: "endMySession",
      summary: "Ends one of the user's sessions",
      security: VISITOR,
      parameters: [NAME],
      responses: { 204: empty("The session is over.", COOKIE) },
      problems: [...SESSION, "no_session", "not_found", "csrf"],
    }),
  },
};
