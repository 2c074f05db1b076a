//! Errors as RFC 9457 problem details, or as a page when a person is looking.
//!
//! `type` and `code` are stable; `detail` says what to do; `trace_id` leads to the logs. No
//! secret, cookie, session id or origin address ever goes in.

mod kind;
mod zh;

use kind::Kind;

use crate::encoding::json;
use crate::http::form::BadForm;
use crate::http::json::BadBody;
use crate::http::limits;
use crate::http::query::BadQuery;
use crate::http::request::Request;
use crate::response::page::{Remedy, Theme, Trouble};
use crate::response::sign_in::SignInProblem;
use crate::response::theme::Brand;
use crate::response::theme::locale::Locale;
use crate::response::{Answer, DATA_POLICY, page};

/// Who reads an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience<'a> {
    /// Somebody before a browser: gets a page.
    Person(Theme<'a>),
    /// Gets problem details.
    Program,
}

impl<'a> Audience<'a> {
    /// Who sent a request: a person who is opening a page, in this brand, or a program.
    #[must_use]
    pub(crate) fn of(request: &Request<'_>, brand: &'a Brand) -> Self {
        if request.is_navigation() {
            Self::Person(Theme::of(brand, request))
        } else {
            Self::Program
        }
    }
}

/// Everything the edge may refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Too many forged cookies from there; seconds to wait.
    TooManyForgeries(u64),
    /// Too many new sessions from there; seconds to wait.
    TooManySessions(u64),
    /// Too many wrong tokens from there; seconds to wait.
    TooManyGuesses(u64),
    /// The console has no host of its own.
    ConsoleUnconfigured,
    /// An operator's token that opens something else.
    NotAllowed,
    /// Not one host is named.
    BadHost,
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
    /// The cookie, or what is stored, names a key that is not listed here.
    KeyUnknown,
    /// Storage does not answer.
    StoreUnavailable,
    /// Who keeps the list of sessions does not answer.
    ListUnavailable,
    /// A path that readers disagree about, a disguised or malformed reserved one, or none.
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
    /// The body broke off, or is no valid HTTP.
    BrokenBody,
    /// The body cannot be read.
    Body(BadBody),
    /// A member of the body, or a parameter of the URL, is not accepted: which, and what is.
    Invalid(String),
    /// A tenant's document that is to be tried has these faults.
    BadDocument(String),
    /// What is to be replaced is not what the caller has read.
    PreconditionFailed,
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

impl Problem {
    /// The stable code.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        self.kind().code
    }

    /// The HTTP status.
    #[must_use]
    pub(crate) fn status(&self) -> u16 {
        self.kind().status
    }

    /// What it is and what to do, in one line.
    #[must_use]
    pub(crate) fn to_sentence(&self) -> String {
        let kind = self.kind();
        format!("{}: {}", kind.title, self.detail(&kind))
    }

    /// The answer: a page for a person, problem details for a program.
    #[must_use]
    pub(crate) fn answer(&self, audience: Audience<'_>, trace_id: &str) -> Answer {
        let kind = self.kind();
        let answer = match audience {
            Audience::Person(theme) => self.page(&kind, &theme, trace_id),
            Audience::Program => self.details(&kind, trace_id),
        };
        self.hints()
            .into_iter()
            .fold(answer, |answer, (name, value)| answer.with(name, value))
    }

    fn page(&self, kind: &Kind, theme: &Theme<'_>, trace_id: &str) -> Answer {
        let Kind {
            status,
            code,
            title,
            ..
        } = *kind;
        let detail = self.detail(kind);
        let (title, detail) = match theme.locale {
            Locale::English => (title, detail),
            Locale::Chinese => match zh::told(code) {
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
        page::problem(theme, &trouble)
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
            Self::Misconfigured(reason) | Self::Invalid(reason) | Self::BadDocument(reason) => {
                reason
            }
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
            Self::TooManyForgeries(seconds)
            | Self::TooManySessions(seconds)
            | Self::TooManyGuesses(seconds) => {
                vec![("retry-after", seconds.to_string())]
            }
            Self::SessionReplaced | Self::Leased => vec![("retry-after", "1".to_owned())],
            Self::Overloaded => vec![
                ("retry-after", "10".to_owned()),
                ("refresh", "10".to_owned()),
            ],
            Self::SchemaNewer
            | Self::KeyUnknown
            | Self::StoreUnavailable
            | Self::OriginUnreachable => {
                vec![("retry-after", "5".to_owned())]
            }
            _ => Vec::new(),
        }
    }
}

impl From<BadBody> for Problem {
    fn from(bad: BadBody) -> Self {
        Self::Body(bad)
    }
}

impl From<BadQuery> for Problem {
    fn from(bad: BadQuery) -> Self {
        Self::Invalid(bad.to_string())
    }
}

impl From<BadForm> for Problem {
    fn from(bad: BadForm) -> Self {
        match bad {
            BadForm::Body(bad) => Self::Body(bad),
            BadForm::Field(bad) => bad.into(),
        }
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
mod tests;
