/** The libraries that are compared need not be installed for the checks; their types are not ours. */
declare module "@hono/session";
declare module "@react-router/cloudflare";
declare module "hono";
declare module "hono-sessions";
declare module "iron-session";
declare module "react-router";
