//! Defines the values of a tenant's policy.

use crate::clock::Seconds;

/// Data of a site that a browser deletes (Clear Site Data section 3.1). Cookies are not among them: ours is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteData {
    /// `localStorage`, IndexedDB, service workers and the like.
    Storage,
    /// Copies of files.
    Cache,
    /// Open pages, which are loaded again.
    ExecutionContexts,
}

impl SiteData {
    /// Returns the word in the header, with its quotes.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Storage => "\"storage\"",
            Self::Cache => "\"cache\"",
            Self::ExecutionContexts => "\"executionContexts\"",
        }
    }
}

/// Policy for visitors without an identity, ordered from lax to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LoginMode {
    /// Every visitor is a guest; there is no sign-in.
    Off,
    /// Guests may pass, and may sign in.
    Optional,
    /// Only signed-in sessions may pass.
    Required,
}

impl LoginMode {
    /// Returns whether a visitor without a session becomes a guest.
    #[must_use]
    pub(crate) fn admits_guests(self) -> bool {
        self != Self::Required
    }
}

/// Whether open WebSockets and event streams end with their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// The runtime carries streams; no code of Vestibule runs while they are open.
    PassThrough,
    /// Vestibule follows streams and closes them soon after their session ends. If the origin breaks off an event
    /// stream, it sends `event: error`, so that the break does not look like a regular end.
    Revocable,
}

/// Order of a session's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// Unordered: each isolate writes its own copy, and the last write of a key wins.
    Eventual,
    /// A Durable Object per session orders changes; revocations take effect within the cache period.
    Strong,
}

/// Maximum time until every location reads what another one wrote to KV (Workers KV, "How KV works").
pub(crate) const PROPAGATION: Seconds = Seconds(60);

/// Choice of the traces to export.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sampling {
    /// Interval of sampled traces: one in this many is exported; `None` without an exporter.
    pub one_in: Option<u64>,
    /// Whether to export a trace because its caller exports it, too. Every client can claim that.
    pub callers: bool,
}

/// Value of a configured header, which the origin receives in addition to `X-Session-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSource {
    /// Public name of the session.
    Id,
    /// User's id.
    User,
    /// User's mail address.
    Email,
    /// User's display name.
    Name,
    /// User's groups, separated by commas.
    Groups,
    /// Access token of the identity provider, while it is valid.
    AccessToken,
    /// The access token after `Bearer `, as in `Authorization`.
    Bearer,
}

/// Minimum severity of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    /// All requests and all events.
    #[default]
    Info,
    /// Requests and events that went wrong.
    Warn,
    /// Faults that an operator must act on.
    Error,
    /// No log lines.
    Off,
}
