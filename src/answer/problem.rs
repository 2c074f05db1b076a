//! Errors as RFC 9457 problem details, or as a page when a person is looking.
//!
//! `type` and `code` are stable; `detail` says what to do; `trace_id` leads to the logs. No
//! secret, cookie, session id or origin address ever goes in.

mod chinese;

use serde_json::json;

use crate::answer::page::{Look, Remedy, Trouble};
use crate::answer::sign_in::SignInProblem;
use crate::answer::{Answer, DATA_POLICY, page};
use crate::brand::Brand;
use crate::brand::locale::Locale;
use crate::inbound::json::BadBody;
use crate::inbound::limits;
use crate::inbound::request::Request;

/// Who reads an answer.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// Somebody before a browser: gets a page.
    Person(Look<'a>),
    /// Gets problem details.
    Program,
}

impl<'a> Audience<'a> {
    /// Who sent a request: a person who is opening a page, in this brand, or a program.
    #[must_use]
    pub fn of(request: &Request<'_>, brand: &'a Brand) -> Self {
        if request.is_navigation() {
            Self::Person(Look::of(brand, request))
        } else {
            Self::Program
        }
    }
}

/// Everything the edge may refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Two cookies of our name.
    CookieAmbiguous,
    /// Our cookie's name stands where no cookie begins.
    CookieMalformed,
    /// Too many forged cookies from there; seconds to wait.
    TooManyForgeries(u64),
    /// Too many new sessions from there; seconds to wait.
    TooManySessions(u64),
    /// Nobody is reached at this host.
    UnknownHost,
    /// Whose host it is cannot be found out now.
    TenantsUnavailable,
    /// What is said of the tenant is wrong, and nothing right was ever known here.
    TenantMisconfigured,
    /// No session, and one is required.
    NoSession,
    /// A limit has struck.
    SessionExpired,
    /// Storage knows no such session.
    SessionUnknown,
    /// The session was ended.
    SessionEnded,
    /// The id was replaced a while ago.
    SessionRotated,
    /// The id was replaced a moment ago by a sign-in.
    SessionReplaced,
    /// The stored record cannot be read.
    SessionCorrupt,
    /// The stored record is of a newer release.
    SchemaNewer,
    /// Storage does not answer.
    StoreUnavailable,
    /// Who keeps the list of sessions does not answer.
    ListUnavailable,
    /// A disguised or malformed reserved path.
    BadPath,
    /// Nothing there.
    NotFound,
    /// Not with this method; the allowed ones.
    MethodNotAllowed(&'static str),
    /// Both a length and chunks.
    Framing,
    /// URL too long.
    UrlTooLong,
    /// Headers too many or too large.
    HeadersTooLarge,
    /// A request of somebody else's page.
    CrossSite,
    /// A WebSocket handshake that is not version 13.
    UpgradeVersion,
    /// A WebSocket handshake without a sound key.
    UpgradeKey,
    /// Nobody was signed in.
    SignIn(SignInProblem),
    /// The login page is asked for, and there is no way to log in.
    LoginUnconfigured,
    /// No origin could be reached.
    OriginUnreachable,
    /// All origins are too busy for a new session.
    Overloaded,
    /// The origin's answer is no HTTP.
    OriginProtocol,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The source of a tenant's file gave a web page.
    AssetIsPage,
    /// The API is called without its key.
    ApiKey,
    /// The body is too large.
    BodyTooLarge,
    /// The body cannot be read.
    Body(BadBody),
    /// A member of the body, or a parameter of the URL, is not accepted: which, and what is.
    Invalid(String),
    /// The session has another version by now.
    VersionChanged,
    /// The version must be named.
    VersionRequired,
    /// Somebody else has the lease, or the one named does not hold any more.
    Leased,
    /// With KV alone nobody can do this.
    NeedsObjects,
    /// The deployment is not set up.
    Misconfigured(String),
    /// A fault of ours.
    Internal,
}

struct Kind {
    status: u16,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
}

impl Problem {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind().code
    }

    /// The answer: a page for a person, problem details for a program.
    #[must_use]
    pub fn answer(&self, audience: Audience<'_>, trace_id: &str) -> Answer {
        let kind = self.kind();
        let answer = match audience {
            Audience::Person(look) => self.page(&kind, &look, trace_id),
            Audience::Program => self.details(&kind, trace_id),
        };
        self.hints()
            .into_iter()
            .fold(answer, |answer, (name, value)| answer.with(name, value))
    }

    fn page(&self, kind: &Kind, look: &Look<'_>, trace_id: &str) -> Answer {
        let Kind {
            status,
            code,
            title,
            ..
        } = *kind;
        let detail = self.detail(kind);
        let (title, detail) = match look.locale {
            Locale::English => (title, detail),
            Locale::Chinese => match chinese::told(code) {
                None => (title, detail),
                // What is told case by case is told in English.
                Some((title, "")) => (title, detail),
                Some(told) => told,
            },
        };
        let remedy = match self {
            Self::Overloaded => Remedy::Waiting,
            _ if matches!(status, 409 | 421 | 429 | 500..) => Remedy::TryingAgain,
            _ => Remedy::StartingOver,
        };
        let trouble = Trouble {
            status,
            title,
            detail,
            code,
            trace_id,
            remedy,
        };
        page::problem(look, &trouble)
    }

    fn details(&self, kind: &Kind, trace_id: &str) -> Answer {
        let Kind {
            status,
            code,
            title,
            ..
        } = *kind;
        let body = json!({
            "type": format!("https://vestibule.dev/problems/{}", code.replace('_', "-")),
            "title": title,
            "status": status,
            "detail": self.detail(kind),
            "code": code,
            "trace_id": trace_id,
        });
        Answer {
            body: body.to_string(),
            ..Answer::empty(status)
        }
        .with("content-type", "application/problem+json")
        .with("x-content-type-options", "nosniff")
        .with("content-security-policy", DATA_POLICY)
    }

    fn detail<'a>(&'a self, kind: &Kind) -> &'a str {
        match self {
            Self::Misconfigured(reason) | Self::Invalid(reason) => reason,
            _ => kind.detail,
        }
    }

    fn hints(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::SignIn(problem) => problem.hints(),
            Self::NoSession
            | Self::SessionExpired
            | Self::SessionUnknown
            | Self::SessionEnded
            | Self::SessionRotated
            | Self::SessionCorrupt => {
                vec![("www-authenticate", "Session realm=\"vestibule\"".to_owned())]
            }
            Self::ApiKey => {
                vec![("www-authenticate", "Bearer realm=\"vestibule\"".to_owned())]
            }
            Self::MethodNotAllowed(allowed) => vec![("allow", (*allowed).to_owned())],
            Self::UpgradeVersion => vec![
                ("sec-websocket-version", "13".to_owned()),
                ("upgrade", "websocket".to_owned()),
            ],
            Self::TooManyForgeries(seconds) | Self::TooManySessions(seconds) => {
                vec![("retry-after", seconds.to_string())]
            }
            Self::SessionReplaced | Self::Leased => vec![("retry-after", "1".to_owned())],
            Self::Overloaded => vec![
                ("retry-after", "10".to_owned()),
                ("refresh", "10".to_owned()),
            ],
            Self::SchemaNewer | Self::StoreUnavailable | Self::OriginUnreachable => {
                vec![("retry-after", "5".to_owned())]
            }
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> Kind {
        let (status, code, title, detail) = match self {
            Self::SignIn(problem) => problem.kind(),
            Self::CookieAmbiguous => (
                400,
                "cookie_ambiguous",
                "Two session cookies",
                "The request carries more than one session cookie. It has been cleared; try again.",
            ),
            Self::CookieMalformed => (
                400,
                "cookie_malformed",
                "Malformed Cookie header",
                "The session cookie's name stands inside another cookie's value. Send one Cookie header with pairs separated by semicolons.",
            ),
            Self::TooManyForgeries(_) => (
                429,
                "too_many_forgeries",
                "Too many invalid sessions",
                "Too many requests with invalid session cookies came from this address. Wait for the time in Retry-After, without the cookie.",
            ),
            Self::TooManySessions(_) => (
                429,
                "too_many_sessions",
                "Too many new visitors",
                "Too many new sessions were begun from this address. Wait for the time in Retry-After, and keep the cookie you are given.",
            ),
            Self::UnknownHost => (
                421,
                "unknown_host",
                "Nobody is here",
                "No site is reached under this name. Check the address; if it is yours, add it to the hosts of its tenant.",
            ),
            Self::TenantsUnavailable => (
                503,
                "tenants_unavailable",
                "Please try again",
                "Whose site this is could not be found out right now. Try again in a few seconds.",
            ),
            Self::TenantMisconfigured => (
                503,
                "tenant_misconfigured",
                "This site is being set up",
                "What is said of this site has a fault; the log tells the operator which. Try again later.",
            ),
            Self::NoSession => (
                401,
                "no_session",
                "Sign-in needed",
                "This needs a session. Open the site in a browser and sign in.",
            ),
            Self::SessionExpired => (
                401,
                "session_expired",
                "Session expired",
                "The session was not used for too long or has reached its age limit. Start a new one by opening the site again.",
            ),
            Self::SessionUnknown => (
                401,
                "session_unknown",
                "Session unknown",
                "This session no longer exists. Start a new one by opening the site again.",
            ),
            Self::SessionEnded => (
                401,
                "session_ended",
                "Signed out",
                "This session was ended. Start a new one by opening the site again.",
            ),
            Self::SessionRotated => (
                401,
                "session_rotated",
                "Session moved on",
                "This session continues under a newer cookie. Use that one, or start again by opening the site.",
            ),
            Self::SessionReplaced => (
                409,
                "session_replaced",
                "Just signed in",
                "This browser has just signed in and got a new cookie. Send the request again.",
            ),
            Self::SessionCorrupt => (
                401,
                "session_corrupt",
                "Session unreadable",
                "The stored session could not be read and was set aside. Start a new one by opening the site again.",
            ),
            Self::SchemaNewer => (
                503,
                "schema_newer",
                "Update in progress",
                "The session was written by a newer release. Try again shortly.",
            ),
            Self::StoreUnavailable => (
                503,
                "store_unavailable",
                "Sessions unavailable",
                "The session storage does not answer. Your session is kept; try again shortly.",
            ),
            Self::ListUnavailable => (
                502,
                "list_unavailable",
                "List unavailable",
                "Who keeps the list of sessions does not answer. Try again shortly; sessions themselves are not concerned.",
            ),
            Self::BadPath => (
                400,
                "bad_path",
                "Bad path",
                "The path is written in a way that is not accepted here. Use it without escapes, doubled slashes or parameters.",
            ),
            Self::NotFound => (
                404,
                "not_found",
                "Not found",
                "There is nothing at this reserved path.",
            ),
            Self::MethodNotAllowed(_) => (
                405,
                "method_not_allowed",
                "Method not allowed",
                "Use one of the methods in the Allow header.",
            ),
            Self::Framing => (
                400,
                "framing",
                "Ambiguous body length",
                "Send either Content-Length or Transfer-Encoding, not both.",
            ),
            Self::UrlTooLong => (
                414,
                "url_too_long",
                "URL too long",
                "The URL is longer than 16 KiB.",
            ),
            Self::HeadersTooLarge => (
                431,
                "headers_too_large",
                "Headers too large",
                "There are too many headers or cookies, or they are too large. Clear this site's cookies and try again.",
            ),
            Self::CrossSite => (
                403,
                "csrf",
                "Refused",
                "This was asked by a page of another site.",
            ),
            Self::UpgradeVersion => (
                426,
                "upgrade_version",
                "WebSocket version",
                "Use WebSocket version 13.",
            ),
            Self::UpgradeKey => (
                400,
                "upgrade_key",
                "WebSocket key",
                "Send a Sec-WebSocket-Key of 16 bytes in base64.",
            ),
            Self::LoginUnconfigured => (
                503,
                "login_unconfigured",
                "No way to sign in",
                "This deployment requires sign-in but offers no way to do so. Set LOGIN_MODE to off, or configure a login method.",
            ),
            Self::OriginUnreachable => (
                502,
                "origin_unreachable",
                "Chat server unreachable",
                "The chat server could not be reached. Try again shortly; your session is kept.",
            ),
            Self::Overloaded => (
                503,
                "overloaded",
                "Please wait a moment",
                "All chat servers are busy. This page tries again by itself; programs wait for the time in Retry-After.",
            ),
            Self::OriginProtocol => (
                502,
                "origin_protocol",
                "Chat server answered wrongly",
                "The chat server's answer was not valid HTTP.",
            ),
            Self::OriginTimeout => (
                504,
                "origin_timeout",
                "Chat server too slow",
                "The chat server did not begin to answer in time. Try again; your session is kept.",
            ),
            Self::AssetIsPage => (
                502,
                "asset_is_page",
                "Not a file",
                "What the tenant shows here turned out to be a web page, which is never shown in a file's place. Name the file itself in the tenant's assets.",
            ),
            Self::ApiKey => (
                401,
                "api_key",
                "Key needed",
                "Present the key in the Authorization header as a Bearer token: ORIGIN_KEY for the session API, ADMIN_TOKEN for the admin API. An API whose secret is not set is closed.",
            ),
            Self::BodyTooLarge => (
                413,
                "body_too_large",
                "Body too large",
                "Send at most 64 KiB.",
            ),
            Self::Body(BadBody::MediaType) => (
                415,
                "media_type",
                "Media type",
                "Send JSON as application/json, not compressed.",
            ),
            Self::Body(BadBody::Encoding) => (
                400,
                "bad_encoding",
                "Not UTF-8",
                "Send JSON in UTF-8 without a byte order mark.",
            ),
            Self::Body(BadBody::Depth) => (
                400,
                "json_depth",
                "Nested too deeply",
                "Nest at most 32 levels.",
            ),
            Self::Body(BadBody::Malformed) => (
                400,
                "bad_json",
                "Not a JSON object",
                "Send one JSON object in which no member occurs twice.",
            ),
            Self::Invalid(_) => (422, "invalid", "Not accepted", ""),
            Self::VersionChanged => (
                412,
                "version_changed",
                "Changed meanwhile",
                "The session has another version than If-Match names. Read it again and decide anew.",
            ),
            Self::VersionRequired => (
                428,
                "version_required",
                "Version needed",
                "With CONSISTENCY eventual nobody orders changes: name the version you read in If-Match.",
            ),
            Self::Leased => (
                409,
                "leased",
                "Leased",
                "Another caller holds the lease, or yours has run out. Take it again and start over.",
            ),
            Self::NeedsObjects => (
                409,
                "needs_objects",
                "Needs Durable Objects",
                "This needs somebody who knows what happens everywhere: set CONSISTENCY to strong.",
            ),
            Self::Misconfigured(_) => (500, "misconfigured", "Not set up yet", ""),
            Self::Internal => (
                500,
                "internal",
                "Internal error",
                "Something went wrong here. Try again; the operator finds the cause by the trace id.",
            ),
        };
        Kind {
            status,
            code,
            title,
            detail,
        }
    }
}

impl From<BadBody> for Problem {
    fn from(bad: BadBody) -> Self {
        Self::Body(bad)
    }
}

impl From<limits::Excess> for Problem {
    fn from(excess: limits::Excess) -> Self {
        match excess {
            limits::Excess::Url => Self::UrlTooLong,
            limits::Excess::Headers => Self::HeadersTooLarge,
            limits::Excess::Framing => Self::Framing,
            limits::Excess::Method => Self::MethodNotAllowed(limits::METHODS),
        }
    }
}

impl From<SignInProblem> for Problem {
    fn from(problem: SignInProblem) -> Self {
        Self::SignIn(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
        answer
            .headers
            .iter()
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_program_gets_problem_details() {
        let answer = Problem::StoreUnavailable.answer(Audience::Program, "abc");
        assert_eq!(answer.status, 503);
        assert_eq!(
            header(&answer, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert_eq!(header(&answer, "retry-after"), Some("5"));
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(
            body["type"],
            "https://vestibule.dev/problems/store-unavailable"
        );
        assert_eq!(
            (&body["code"], &body["trace_id"]),
            (&json!("store_unavailable"), &json!("abc"))
        );
    }

    fn person(brand: &Brand, locale: Locale) -> Audience<'_> {
        Audience::Person(Look { brand, locale })
    }

    #[test]
    fn a_person_gets_a_page_with_nothing_unescaped() {
        let brand = Brand::default();
        for locale in [Locale::English, Locale::Chinese] {
            let problem = Problem::Misconfigured("<script>".to_owned());
            let answer = problem.answer(person(&brand, locale), "<b>");
            assert_eq!(
                header(&answer, "content-type"),
                Some("text/html; charset=utf-8")
            );
            assert!(answer.body.contains("&lt;script&gt;") && !answer.body.contains("<script>"));
            assert!(answer.body.contains("&lt;b&gt;") && !answer.body.contains("<b>"));
        }
    }

    #[test]
    fn a_person_is_told_in_chinese_and_a_program_never() {
        let brand = Brand::default();
        let page = Problem::NotFound.answer(person(&brand, Locale::Chinese), "");
        assert!(page.body.contains("此保留路径下没有内容。"));
        assert_eq!(header(&page, "content-language"), Some("zh-Hans"));
        let brand = Brand {
            locale: Some(Locale::Chinese),
            ..Brand::default()
        };
        let call = Request::parse("GET\nhttp://a/\naccept-language\nzh").unwrap();
        let details = Problem::NotFound.answer(Audience::of(&call, &brand), "");
        assert!(
            details
                .body
                .contains("There is nothing at this reserved path.")
        );
    }

    #[test]
    fn who_waits_is_told_that_the_page_tries_again() {
        let brand = Brand::default();
        let page = Problem::Overloaded.answer(person(&brand, Locale::English), "");
        assert!(page.body.contains("tries again by itself"));
        assert_eq!(header(&page, "refresh"), Some("10"));
    }

    #[test]
    fn refusals_carry_the_header_their_status_demands() {
        for (problem, name) in [
            (Problem::NoSession, "www-authenticate"),
            (Problem::MethodNotAllowed("GET"), "allow"),
            (Problem::UpgradeVersion, "sec-websocket-version"),
            (Problem::TooManyForgeries(3), "retry-after"),
        ] {
            assert!(
                header(&problem.answer(Audience::Program, ""), name).is_some(),
                "{problem:?}"
            );
        }
    }
}
