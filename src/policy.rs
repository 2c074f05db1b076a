//! Defines the values in which a tenant's policy is written.

use crate::clock::Seconds;

/// Who may come in; the stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LoginMode {
    /// Everybody is a guest.
    Off,
    /// Guests are welcome and may sign in.
    Optional,
    /// Nobody passes without a session that was signed in.
    Required,
}

impl LoginMode {
    /// Whether a visitor without a session becomes a guest.
    #[must_use]
    pub(crate) fn admits_guests(self) -> bool {
        self != Self::Required
    }
}

/// Whether open WebSockets and event streams end with their session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// The runtime carries them, and no code of ours runs while they are open.
    PassThrough,
    /// Vestibule follows them and closes them soon after their session ends. It also ends an event stream that the
    /// origin breaks off with `event: error` instead of what looks like a regular end.
    Revocable,
}

/// Who orders the changes of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// Nobody: each isolate writes what it knows, and the last writer of a key wins.
    Eventual,
    /// A Durable Object per session; revocations take hold within the cache period.
    Strong,
}

/// Maximum time until every location reads what another one wrote to KV (Workers KV, "How KV works").
pub(crate) const PROPAGATION: Seconds = Seconds(60);

/// Which traces are exported.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sampling {
    /// Exports one in this many; none if there is no exporter.
    pub one_in: Option<u64>,
    /// Also exports those whose caller exports its own. Every client can claim that.
    pub callers: bool,
}

/// What a header that an origin reads beside `X-Session-…` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderSource {
    /// The session's public name.
    Id,
    /// The user.
    User,
    /// The user's mail address.
    Email,
    /// The user's name.
    Name,
    /// The user's groups, apart by commas.
    Groups,
    /// The access token the identity provider gave, while it is valid.
    AccessToken,
    /// The same after `Bearer `, as for `Authorization`.
    Bearer,
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LogLevel {
    /// Every request, and every event.
    #[default]
    Info,
    /// Requests and events that went wrong.
    Warn,
    /// What somebody must act on.
    Error,
    /// Nothing.
    Off,
}
