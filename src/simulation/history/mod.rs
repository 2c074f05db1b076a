//! What happened in a run, as the outside saw it, and whether it may have.
//!
//! The guarantees, for consistency `strong`:
//!
//! | | |
//! | --- | --- |
//! | G1 | a browser that was told its change is kept sees it in every later request |
//! | G2 | what a browser has seen once it goes on seeing |
//! | G3 | a change that was acknowledged is there at the end |
//! | G4 | what was ended serves nobody, from the cache period after the acknowledgement on |
//! | G5 | an id has one successor at most |
//! | G6 | nobody sees what was stored for somebody else |
//! | G7 | a conversation stays where it is while nothing is wrong there |
//! | G8 | no session outlives its limits, and none ends before them unless it was ended |
//! | G9 | a session that lasts is on its tenant's list |
//! | G10 | an object answers every call, does everything once at a time, applies a change once, gives one lease at a time, lets no user have too many sessions, and leaves nothing undone |
//! | G11 | nothing is stored for ever |
//!
//! With KV alone the last writer wins and nobody knows better, so there only G6 to G8 are checked.

use std::collections::BTreeSet;

use crate::store::retry::Cause;

mod checker;

pub(crate) use checker::check;

/// A number that only ever is added to a session's data: a change that can be recognised.
pub(crate) type Mark = u64;

/// One observation, at a time in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    pub(crate) at: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// An origin got a request of this browser, sent at `sent`.
    Served {
        browser: usize,
        sent: u64,
        session: String,
        created: u64,
        /// By somebody who copied a cookie, old as it may be.
        thief: bool,
        /// With a first cookie, which names no version and is not looked up.
        guest: bool,
        marks: BTreeSet<Mark>,
        degraded: bool,
        origin: String,
    },
    /// A browser got the answer to a request that showed this.
    Seen {
        browser: usize,
        session: String,
        marks: BTreeSet<Mark>,
    },
    /// A browser was told that its change is kept.
    Kept {
        browser: usize,
        session: String,
        mark: Mark,
    },
    /// A browser asks for the end of its session, or of all of its user's.
    Ending {
        browser: usize,
        session: Option<String>,
    },
    /// An operator asks for the end of all sessions.
    EndingAll,
    /// A session is about to become its browser's user's, if it is not yet.
    SigningIn { session: String, sent: u64 },
    /// Somebody was told that this session is over.
    Over { session: String },
    /// A browser's id was replaced.
    Replaced { from: String, to: String },
    /// A browser was told that its session is no more, for this reason.
    Refused {
        browser: usize,
        sent: u64,
        session: String,
        created: u64,
        reason: String,
    },
    /// The namespace was written: by an isolate, or by an object if the value has no number.
    Put {
        key: String,
        writer: u64,
        number: Option<u64>,
    },
    /// An isolate has a value to store; each has a number of its own.
    Submitted {
        key: String,
        isolate: u64,
        number: u64,
        driver: u64,
    },
    /// An isolate heard what became of a put, and of which value.
    PutDone {
        key: String,
        isolate: u64,
        number: u64,
        acknowledged: bool,
    },
    /// Whoever has a value to store goes on doing so.
    Drives { driver: u64 },
    /// Whoever was to store that value was cut off.
    Cancelled { number: u64 },
    /// An isolate reported that a value is lost.
    Lost { isolate: u64 },
    /// An isolate died.
    Died { isolate: u64 },
    /// An isolate asked storage or an object, for the first time or once more.
    Asked {
        isolate: u64,
        driver: u64,
        attempt: u32,
        question: String,
        is_read: bool,
    },
    /// It heard what became of an attempt.
    Heard {
        isolate: u64,
        driver: u64,
        is_read: bool,
        failed: Option<Cause>,
    },
    /// Somebody waits for the answer that another asks for.
    Follows { leader: u64, question: String },
    /// Whoever asked has an answer, good or bad.
    Answered {
        isolate: u64,
        driver: u64,
        question: String,
    },
    /// A request has no answer in the end, though nobody has cut it off.
    Hangs { browser: usize },
    /// Something goes on for ever.
    NeverRests,
    /// A session's object did what none may do.
    Broken { rule: &'static str, session: String },
    /// Long after the end something is still stored.
    Remains { what: String },
    /// In the end a session lasts that its tenant's list does not show.
    Unlisted { session: String },
    /// How a session stands when everything has come to rest.
    Rests {
        session: String,
        marks: BTreeSet<Mark>,
    },
}

/// The limits a run has.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Whether changes are ordered.
    pub(crate) ordered: bool,
    /// How long an isolate may believe what it knows, and how long an answer may be on its way.
    pub(crate) cache_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) absolute_ms: u64,
}

/// What must not have happened: which guarantee, and what broke it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation(pub(crate) &'static str, pub(crate) String);

/// Whose marks these are: the browser that set them.
pub(crate) fn owner(mark: Mark) -> usize {
    usize::try_from(mark >> 32).unwrap()
}
