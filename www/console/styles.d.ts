/** Declares imports of styles, which are bundled separately from the script. */
declare module "*.css";
