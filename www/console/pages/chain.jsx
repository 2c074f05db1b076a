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
const PATH_CLASSES = {
  origin: "origin",
  reserved: "reserved",
  disguised: "ambiguous",
};

/** Names of the cookie's states. @type {Record<string, string>} */
const COOKIES = { genuine: "valid", forged: "invalid", absent: "none", "not asked": "not checked" };

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
        Steps of <code>{asked}</code>
      </h2>
      <ol class="chain" aria-live="polite">
        <Step mark={tenant ? "pass" : "stop"} name="Tenant" value={tenant?.id ?? "none"}>
          {tenant?.because}
        </Step>
        <Step
          mark="pass"
          name="Path"
          value={path ? (PATH_CLASSES[path.territory] ?? path.territory) : "not checked"}
        >
          {path?.because}
        </Step>
        <Step
          mark={cookieMark(cookie?.verdict)}
          name="Cookie"
          value={cookie ? (COOKIES[cookie.verdict] ?? cookie.verdict) : "not checked"}
        >
          {cookie?.because}
        </Step>
        <Session session={session} />
        <Step
          mark={!login ? "skip" : login.admitted ? "pass" : "stop"}
          name="Sign-in"
          value={!login ? "not checked" : login.admitted ? "allowed" : "denied"}
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
          name="Selection"
          value={
            choice?.origin ??
            (outcome.does === "forward" ? "selected when the session begins" : "none")
          }
        >
          {choice?.because}
          {choice?.takeover && " It takes over the conversation from another origin."}
        </Step>
        <Step
          mark={outcome.does === "forward" ? "pass" : "stop"}
          name="Outcome"
          value={
            outcome.does === "forward"
              ? "forwarded"
              : `answered by Vestibule with ${outcome.status}`
          }
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
        {user ? `User ${user}` : "Guest"}, version {version}, found {SOURCES[source] ?? source}.
        {isAlive &&
          ` It ends after ${span(session.idle_seconds_left)} without use, and at the latest in ${span(session.absolute_seconds_left)}.`}
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
      value={origins.length === 0 ? "not checked" : `${usable} of ${origins.length} usable`}
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
