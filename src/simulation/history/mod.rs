//! Records what clients and origins observe in a run, and checks it.
//!
//! The guarantees, for consistency `strong`:
//!
//! | | |
//! | --- | --- |
//! | G1 | a browser whose change was acknowledged sees it in every later request |
//! | G2 | a browser keeps seeing what it has seen once |
//! | G3 | an acknowledged change is stored at the end |
//! | G4 | an ended session is served nowhere once the cache period has passed since the acknowledgement |
//! | G5 | an id has one successor at most |
//! | G6 | no user sees another's data |
//! | G7 | a conversation stays at its origin while that is healthy |
//! | G8 | no session outlives its limits, and none ends earlier unless it was ended |
//! | G9 | a live session is on its tenant's list |
//! | G10 | an object answers every call, does one thing of a kind at a time, applies a change once, gives one lease at a time, limits a user's sessions, and leaves nothing undone |
//! | G11 | nothing is stored for ever |
//!
//! With KV alone the last writer wins and no object knows better, so only G6 to G8 are checked.

use std::collections::BTreeSet;

use crate::store::retry::Cause;

mod checker;

pub(crate) use checker::check;

/// Number that is only ever added to a session's data, and so identifies a change.
pub(crate) type Mark = u64;

/// Observation at a time in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    pub(crate) at: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// An origin received a request of this browser, sent at `sent`.
    Served {
        browser: usize,
        sent: u64,
        session: String,
        created: u64,
        /// The sender copied a cookie, of any age.
        is_thief: bool,
        /// The cookie is a first one, which names no version and is not looked up.
        guest: bool,
        marks: BTreeSet<Mark>,
        degraded: bool,
        origin: String,
    },
    /// A browser received an answer that showed these marks.
    Seen {
        browser: usize,
        session: String,
        marks: BTreeSet<Mark>,
    },
    /// A browser received an answer that acknowledged its change.
    Kept {
        browser: usize,
        session: String,
        mark: Mark,
    },
    /// A browser requests the end of its session, or of all its user's.
    Ending {
        browser: usize,
        session: Option<String>,
    },
    /// An operator requests the end of all sessions.
    EndingAll,
    /// A session is about to get its browser's user, if it has none yet.
    SigningIn { session: String, sent: u64 },
    /// An answer reported that this session is over.
    Over { session: String },
    /// The id of a browser was replaced.
    Replaced { from: String, to: String },
    /// An answer refused a browser's session, for this reason.
    Refused {
        browser: usize,
        sent: u64,
        session: String,
        created: u64,
        reason: String,
    },
    /// An isolate wrote to the namespace, or an object if the value has no number.
    Put {
        key: String,
        writer: u64,
        number: Option<u64>,
    },
    /// An isolate has a value to store; each has its own number.
    Submitted {
        key: String,
        isolate: u64,
        number: u64,
        driver: u64,
    },
    /// An isolate learned the outcome of a put.
    PutDone {
        key: String,
        isolate: u64,
        number: u64,
        acknowledged: bool,
    },
    /// A driver of a value continues.
    Drives { driver: u64 },
    /// The driver of a value was cut off.
    Cancelled { number: u64 },
    /// An isolate reported the loss of a value.
    Lost { isolate: u64 },
    /// An isolate confirmed a mark, which gave the session this version, and has yet to store it.
    Confirmed {
        isolate: u64,
        key: String,
        version: u64,
        mark: Mark,
    },
    /// Storage showed an isolate this version of a session with changes to merge, or its end.
    Shown {
        isolate: u64,
        key: String,
        shown: Option<(u64, BTreeSet<Mark>)>,
    },
    /// An isolate puts a session, merged with what storage showed.
    Merged {
        isolate: u64,
        key: String,
        marks: BTreeSet<Mark>,
    },
    /// An isolate has the changes of a session from this version on left to merge.
    Settled {
        isolate: u64,
        key: String,
        oldest: Option<u64>,
    },
    /// An isolate reported the loss of a confirmed change.
    Dropped { isolate: u64 },
    /// An isolate died.
    Died { isolate: u64 },
    /// An isolate called storage or an object; `attempt` counts retries.
    Asked {
        isolate: u64,
        driver: u64,
        attempt: u32,
        question: String,
        is_read: bool,
    },
    /// An isolate learned the outcome of an attempt.
    Heard {
        isolate: u64,
        driver: u64,
        is_read: bool,
        failed: Option<Cause>,
    },
    /// A caller follows another's call.
    Follows { leader: u64, question: String },
    /// A call ended, good or bad.
    Answered {
        isolate: u64,
        driver: u64,
        question: String,
    },
    /// A request has no answer at the end, although it was not cut off.
    Hangs { browser: usize },
    /// The run does not come to an end.
    NeverRests,
    /// A session's object broke a rule.
    Broken { rule: &'static str, session: String },
    /// Something is still stored long after the end.
    Remains { what: String },
    /// At the end the tenant's list lacks a live session.
    Unlisted { session: String },
    /// Final state of a session.
    Rests {
        session: String,
        marks: BTreeSet<Mark>,
    },
}

/// Limits of a run.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Whether changes are ordered.
    pub(crate) ordered: bool,
    /// Maximum age of an isolate's knowledge plus the maximum delay of an answer, in milliseconds.
    pub(crate) cache_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) absolute_ms: u64,
}

/// Violated guarantee, and a description.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation(pub(crate) &'static str, pub(crate) String);

/// Returns the browser that set a mark.
pub(crate) fn owner(mark: Mark) -> usize {
    usize::try_from(mark >> 32).unwrap()
}
