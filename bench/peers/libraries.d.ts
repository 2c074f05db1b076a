/** Declares the compared libraries, which the type checks do not require to be installed. */
declare module "@hono/session";
declare module "@react-router/cloudflare";
declare module "hono";
declare module "hono-sessions";
declare module "iron-session";
declare module "react-router";
