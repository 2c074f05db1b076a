/** Asks on a terminal for what the options leave open. */
import path from "node:path";
import { Fault } from "../../scripts/progress.mjs";
import { isOrigin, isWorkerName } from "./answers-read.mjs";

/**
 * @typedef {object} Answers
 * @property {string} name
 * @property {string} origins
 * @property {string} signIn
 * @property {string} [issuer]
 * @property {string} [clientId]
 */

/**
 * @param {Record<string, any>} values the options
 * @param {string | undefined} folder
 * @returns {Promise<Answers>}
 */
export async function complete(values, folder) {
  const base = folder === undefined ? "" : path.basename(path.resolve(folder));
  const name = values.name ?? (isWorkerName(base) ? base : undefined);
  const given = { name, origins: values.origins, signIn: values["sign-in"] };
  const oidc = { issuer: values.issuer, clientId: values["client-id"] };
  const answers = process.stdin.isTTY ? await asked(given, oidc) : { ...given, ...oidc };
  const needed = {
    "--name": answers.name,
    "--origins": answers.origins,
    "--sign-in": answers.signIn,
    ...(answers.signIn === "oidc" && {
      "--issuer": answers.issuer,
      "--client-id": answers.clientId,
    }),
  };
  const missing = Object.entries(needed).filter(([, value]) => value === undefined);
  if (missing.length > 0) {
    const names = missing.map(([option]) => option).join(", ");
    throw new Fault(
      `Without a terminal all answers are options. Missing: ${names}.\n\nHelp: npm create vestibule -- --help`,
    );
  }
  return /** @type {Answers} */ (answers);
}

/**
 * @param {{ name?: string, origins?: string, signIn?: string }} given
 * @param {{ issuer?: string, clientId?: string }} oidc
 */
async function asked(given, oidc) {
  const { isCancel, select, text } = await import("@clack/prompts");
  const answered = async (/** @type {Promise<string | symbol>} */ question) => {
    const answer = await question;
    if (isCancel(answer)) throw new Fault("Nothing was created.");
    return String(answer);
  };
  const write = (
    /** @type {string} */ message,
    /** @type {string} */ placeholder,
    /** @type {(text: string) => boolean} */ isGood,
  ) =>
    answered(
      text({
        message,
        placeholder,
        validate: (value) => (isGood(value ?? "") ? undefined : `Write it like ${placeholder}`),
      }),
    );
  const origins =
    given.origins ??
    (await write(
      "Where are your chat servers? Several: with commas between them",
      "https://chat-1.example",
      (value) => value.split(",").every(isOrigin),
    ));
  const signIn =
    given.signIn ??
    (await answered(
      select({
        message: "How do users sign in?",
        options: [
          { value: "off", label: "Not here", hint: "every visitor is a guest" },
          { value: "password", label: "With a password", hint: "needs Workers Paid" },
          { value: "oidc", label: "At an OpenID provider" },
        ],
      }),
    ));
  const name = given.name ?? (await write("What is the Worker's name?", "my-chat", isWorkerName));
  if (signIn !== "oidc") return { name, origins, signIn };
  const isUrl = (/** @type {string} */ value) => /^https:\/\//.test(value) && URL.canParse(value);
  const issuer =
    oidc.issuer ?? (await write("The provider's issuer?", "https://id.example.com", isUrl));
  const clientId =
    oidc.clientId ??
    (await write("The client id that it gave you?", "chat", (value) => value !== ""));
  return { name, origins, signIn, issuer, clientId };
}
