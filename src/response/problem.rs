//! Renders errors as RFC 9457 problem details, or as a page for a browser.
//!
//! `type` and `code` are stable; `detail` says what to do; `trace_id` leads to the logs. No response contains a
//! secret, cookie, session id or origin address.

mod kind;

use kind::Kind;

use crate::encoding::push_member;
use crate::http::form::BadForm;
use crate::http::json::BadBody;
use crate::http::limits;
use crate::http::query::BadQuery;
use crate::http::request::Request;
use crate::response::page::{Remedy, Theme, Trouble};
use crate::response::sign_in::SignInProblem;
use crate::response::theme::Brand;
use crate::response::{Answer, DATA_POLICY, page, texts};

/// Reader of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience<'a> {
    /// Person at a browser, who gets a page.
    Person(Theme<'a>),
    /// Program, which gets problem details.
    Program,
}

impl<'a> Audience<'a> {
    /// Returns the audience of a request: a person if it opens a page, else a program.
    #[must_use]
    pub(crate) fn of(request: &Request<'a>, brand: &'a Brand) -> Self {
        if request.is_navigation() {
            Self::Person(Theme::of(brand, request))
        } else {
            Self::Program
        }
    }
}

/// Newcomer who waits for its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Place in the queue, counted from 1; `None` if all are taken, or the queue does not answer.
    pub place: Option<u32>,
    /// Seconds after which to ask again.
    pub retry_after: u64,
    /// `Set-Cookie` line of the ticket.
    pub ticket: Option<String>,
}

/// Error that Vestibule returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Too many forged cookies from one client. Holds the seconds to wait.
    TooManyForgeries(u64),
    /// Too many new sessions from one client. Holds the seconds to wait.
    TooManySessions(u64),
    /// Too many wrong tokens from one client. Holds the seconds to wait.
    TooManyGuesses(u64),
    /// The tenant exceeds its requests per second.
    TooManyRequests,
    /// The tenant has the maximum number of requests in flight.
    TenantBusy,
    /// The console has no host of its own.
    ConsoleUnconfigured,
    /// The operator's token does not allow this.
    NotAllowed,
    /// The request does not name exactly one host.
    BadHost,
    /// No tenant has this host.
    UnknownHost,
    /// The tenant of this host cannot be looked up now.
    TenantsUnavailable,
    /// The tenant's configuration is invalid and no earlier valid one is cached.
    TenantMisconfigured,
    /// The path requires a session, and the request has none.
    NoSession,
    /// The user is in none of the groups that the path requires.
    GroupRequired {
        /// URL of a new sign-in; empty without one.
        sign_in: String,
    },
    /// The session exceeded a time limit.
    SessionExpired,
    /// Storage has no such session.
    SessionUnknown,
    /// The session has ended.
    SessionEnded,
    /// A rotation replaced the id a while ago.
    SessionRotated,
    /// A sign-in replaced the id a moment ago.
    SessionReplaced,
    /// The stored record is unreadable.
    SessionCorrupt,
    /// A newer release wrote the stored record.
    SchemaNewer,
    /// The cookie or record uses a key that is not listed here.
    KeyUnknown,
    /// Storage does not answer.
    StoreUnavailable,
    /// The session index does not answer.
    ListUnavailable,
    /// The path is ambiguous, disguises a reserved path, or is malformed.
    BadPath,
    /// Nothing exists at this path.
    NotFound,
    /// The method is not allowed. Holds the allowed ones.
    MethodNotAllowed(&'static str),
    /// The request has both a length and chunks.
    Framing,
    /// The URL is too long.
    UrlTooLong,
    /// The headers are too many or too large.
    HeadersTooLarge,
    /// A page of another site sent the request.
    CrossSite,
    /// A WebSocket handshake has another version than 13.
    UpgradeVersion,
    /// A WebSocket handshake has no valid key.
    UpgradeKey,
    /// The sign-in failed.
    SignIn(SignInProblem),
    /// The login page is requested, but no sign-in method is configured.
    LoginUnconfigured,
    /// No origin could be reached.
    OriginUnreachable,
    /// The list of origins was never read.
    ServersUnknown,
    /// All origins are too busy for a new session. Holds the newcomer's place, if the tenant has a queue.
    Overloaded(Option<Box<Waiting>>),
    /// The tenant has as many sessions as it may have.
    TenantFull,
    /// The origin's response is invalid HTTP.
    OriginProtocol,
    /// The origin did not respond in time.
    OriginTimeout,
    /// The source of a tenant's file returned a web page.
    AssetIsPage,
    /// An API call has no valid key.
    ApiKey,
    /// The body is too large.
    BodyTooLarge,
    /// The body broke off, or is invalid HTTP.
    BrokenBody,
    /// The body cannot be parsed.
    Body(BadBody),
    /// A member of the body or a parameter of the URL is invalid. Holds its name and the valid form.
    Invalid(String),
    /// A tenant's document has these faults.
    BadDocument(String),
    /// The stored value differs from the one that the caller has read.
    PreconditionFailed,
    /// The session has another version than the caller named.
    VersionChanged,
    /// The caller must name the version.
    VersionRequired,
    /// Another caller has the lease, or the caller's lease has expired. Holds the seconds until the lease ends.
    Leased(u64),
    /// This needs Durable Objects, which KV alone cannot replace.
    NeedsObjects,
    /// The session is a guest's without a record, and cannot get one here.
    NotRecorded,
    /// The deployment has configuration errors.
    Misconfigured(String),
    /// Vestibule itself failed.
    Internal,
}

impl Problem {
    /// Returns the stable code.
    #[must_use]
    pub(crate) fn code(&self) -> &'static str {
        self.kind().code
    }

    /// Returns the HTTP status.
    #[must_use]
    pub(crate) fn status(&self) -> u16 {
        self.kind().status
    }

    /// Returns title and detail in one line.
    #[must_use]
    pub(crate) fn to_sentence(&self) -> String {
        let kind = self.kind();
        format!("{}: {}", kind.title, self.detail(&kind))
    }

    /// Renders the response: a page for a person, problem details for a program.
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
        let (title, detail) = match texts::problem(theme.locale, code) {
            None => (title, detail),
            // Details that differ case by case exist in English only.
            Some((title, "")) => (title, detail),
            Some(for_people) => for_people,
        };
        let remedy = match self {
            Self::Overloaded(_) | Self::TenantFull => Remedy::Waiting(self.place()),
            Self::GroupRequired { sign_in } if !sign_in.is_empty() => Remedy::SigningIn(sign_in),
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
        let mut body = String::with_capacity(384);
        body.push('{');
        push_member(&mut body, "code", code);
        push_member(&mut body, "detail", self.detail(kind));
        let numbers = [("place", self.place()), ("status", Some(status.into()))];
        for (name, number) in numbers {
            if let Some(number) = number {
                for part in [",\"", name, "\":", itoa::Buffer::new().format(number)] {
                    body.push_str(part);
                }
            }
        }
        push_member(&mut body, "title", title);
        push_member(&mut body, "trace_id", trace_id);
        body.push_str(",\"type\":\"https://vestibule.dev/problems/");
        body.extend(code.chars().map(|c| if c == '_' { '-' } else { c }));
        body.push_str("\"}");
        Answer {
            body,
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
            Self::Overloaded(_) if self.place().is_some() => {
                "All chat servers are busy, and new visitors are served in order. This page tries again by itself; programs keep the cookie they are given, and wait for the time in Retry-After."
            }
            _ => kind.detail,
        }
    }

    /// Returns the place of a newcomer who waits.
    fn place(&self) -> Option<u32> {
        match self {
            Self::Overloaded(Some(waiting)) => waiting.place,
            _ => None,
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
            | Self::TooManyGuesses(seconds)
            | Self::Leased(seconds) => {
                vec![("retry-after", seconds.to_string())]
            }
            Self::SessionReplaced | Self::TooManyRequests | Self::TenantBusy => {
                vec![("retry-after", "1".to_owned())]
            }
            Self::Overloaded(waiting) => {
                let seconds = waiting.as_ref().map_or(10, |waiting| waiting.retry_after);
                let seconds = seconds.to_string();
                let mut hints = vec![("retry-after", seconds.clone()), ("refresh", seconds)];
                let ticket = waiting.as_ref().and_then(|waiting| waiting.ticket.clone());
                hints.extend(ticket.map(|line| ("set-cookie", line)));
                hints
            }
            Self::TenantFull => vec![
                ("retry-after", "10".to_owned()),
                ("refresh", "10".to_owned()),
            ],
            Self::SchemaNewer
            | Self::KeyUnknown
            | Self::StoreUnavailable
            | Self::OriginUnreachable
            | Self::ServersUnknown => {
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
