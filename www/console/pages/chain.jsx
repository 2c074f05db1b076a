/** Shows an explanation as the steps that a request passes. */
import { span } from "../format.js";
import { Badge } from "../parts/badge.jsx";
import { Bar } from "../parts/bar.jsx";
import { Icon } from "../parts/icon.jsx";
import { to } from "../route.js";

/** @import { ComponentChildren } from "preact" */
/** @import { Explanation, OriginScore } from "../backend.d.ts" */

/** @typedef {"pass" | "stop" | "note" | "skip"} Mark */

/** Text of a mark for screen readers. @type {Record<Mark, string>} */
const WORDS = { pass: "Passed", stop: "Stopped", note: "Notice", skip: "Not needed" };

/** Names of the path classes. @type {Record<string, string>} */
const TERRITORIES = {
  origin: "the chat servers'",
  reserved: "Vestibule's own",
  disguised: "Vestibule's own, disguised",
};

/** Names of the places where a session was found. @type {Record<string, string>} */
const SOURCES = {
  cookie: "by its cookie alone",
  isolate: "from this isolate's memory",
  namespace: "from KV",
  object: "from its object",
};

/** @param {{ explanation: Explanation, asked: string }} props `asked`: the explained request */
export function Chain({ explanation, asked }) {
  const { tenant, path, cookie, session, login, origins, choice, outcome } = explanation;
  return (
    <section aria-labelledby="chain-title">
      <h2 id="chain-title">
        What becomes of <code>{asked}</code>
      </h2>
      <ol class="chain" aria-live="polite">
        <Step mark={tenant ? "pass" : "stop"} name="Tenant" value={tenant?.id ?? "none"}>
          {tenant?.because}
        </Step>
        <Step
          mark="pass"
          name="Path"
          value={path ? (TERRITORIES[path.territory] ?? path.territory) : "not looked at"}
        >
          {path?.because}
        </Step>
        <Step
          mark={cookieMark(cookie?.verdict)}
          name="Cookie"
          value={cookie?.verdict ?? "not asked"}
        >
          {cookie?.because}
        </Step>
        <Session session={session} />
        <Step
          mark={!login ? "skip" : login.admitted ? "pass" : "stop"}
          name="Sign-in"
          value={!login ? "not asked" : login.admitted ? "admitted" : "not admitted"}
        >
          {login?.because}
          {login && (
            <span class="soft">
              {" "}
              The mode is {login.mode}, by <code>{login.rule}</code>.
            </span>
          )}
        </Step>
        <Scores origins={origins} chosen={choice?.origin} />
        <Step
          mark={choice ? (choice.takeover ? "note" : "pass") : "skip"}
          name="Choice"
          value={choice?.origin ?? (outcome.does === "forward" ? "drawn when it is made" : "none")}
        >
          {choice?.because}
          {choice?.takeover && " It takes the conversation over from another."}
        </Step>
        <Step
          mark={outcome.does === "forward" ? "pass" : "stop"}
          name="Outcome"
          value={outcome.does === "forward" ? "forwarded" : `answered here with ${outcome.status}`}
        >
          {outcome.because}
          {outcome.problem && (
            <>
              {" "}
              <Badge kind="bad">{outcome.problem}</Badge>
            </>
          )}
        </Step>
      </ol>
    </section>
  );
}

/**
 * @param {{ mark: Mark, name: string, value: ComponentChildren,
 *   children?: ComponentChildren }} props
 */
function Step({ mark, name, value, children }) {
  return (
    <li class={`step ${mark}`} data-step={name}>
      <span class="mark">
        <Icon name={mark} />
        <span class="visually-hidden">{WORDS[mark]}:</span>
      </span>
      <div>
        <h3>
          {name} <span>{value}</span>
        </h3>
        <div class="why">{children}</div>
      </div>
    </li>
  );
}

/** @param {string | undefined} verdict @returns {Mark} */
function cookieMark(verdict) {
  if (verdict === "genuine") return "pass";
  if (verdict === "forged") return "stop";
  return verdict === "absent" ? "note" : "skip";
}

/** @param {{ session: Explanation["session"] }} props */
function Session({ session }) {
  if (!session) return <Step mark="skip" name="Session" value="none" />;
  const { state, source, handle, user, version } = session;
  const isAlive = state === "live" || state === "guest";
  return (
    <Step mark={isAlive ? "pass" : "stop"} name="Session" value={state}>
      <p>
        {user ? `It is ${user}'s` : "It is a guest's"}, version {version}, known{" "}
        {SOURCES[source] ?? source}.
        {isAlive &&
          ` It ends when unused for ${span(session.idle_seconds_left)}, at the latest in ${span(session.absolute_seconds_left)}.`}
      </p>
      <a class="mono" href={to("sessions", handle)}>
        {handle}
      </a>
    </Step>
  );
}

/** @param {{ origins: OriginScore[], chosen: string | undefined }} props */
function Scores({ origins, chosen }) {
  const usable = origins.filter((origin) => origin.usable).length;
  return (
    <Step
      mark={origins.length === 0 ? "skip" : usable > 0 ? "pass" : "stop"}
      name="Origins"
      value={origins.length === 0 ? "not asked" : `${usable} of ${origins.length} usable`}
    >
      <ul class="scores">
        {origins.map((origin) => (
          <li key={origin.name} class={origin.name === chosen ? "chosen" : undefined}>
            <Bar
              label={`${origin.name}${origin.release ? ` (${origin.release})` : ""}`}
              part={origin.score}
              text={origin.score.toFixed(2)}
              kind={origin.usable ? "plain" : "off"}
            />
            <p class="soft">{origin.because}</p>
          </li>
        ))}
      </ul>
    </Step>
  );
}
