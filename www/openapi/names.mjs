/** Forms of names in paths. Others get 404, or 400 where programs would read the path differently. */

export const SESSION_NAME = {
  type: "string",
  pattern: "^[A-Za-z0-9_-]{22}(\\.[A-Za-z0-9_-]{8})?$",
};

export const ORIGIN_NAME = { type: "string", pattern: "^[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?$" };

/** Any characters, escaped in the URL, but slashes, backslashes, semicolons, escapes and control characters. */
export const USER_NAME = {
  type: "string",
  pattern: "^[A-Za-z0-9@_-][A-Za-z0-9@ ._-]{0,60}[A-Za-z0-9_-]$",
};
