//! Defines the events and parts of a world.

use std::collections::{BTreeSet, HashMap};

use super::asking::{Followers, Heard};
use super::writing::Storing;
use crate::cookie::token::Token;
use crate::effect::{Answers, Found};
use crate::gateway::Gateway;
use crate::session::id::Handle;
use crate::session::record::Version;
use crate::session_object::object::CallId;
use crate::simulation::history::Mark;
use crate::store::breaker::Breaker;
use crate::store::session_index::object::Surplus;
use crate::store::single_flight::SingleFlight;
use crate::store::write_queue::{Attempt, WriteQueue};

/// Event at a time.
pub(super) enum Event {
    /// A browser performs its next action.
    Act {
        browser: usize,
    },
    /// A task continues.
    Go {
        task: u64,
    },
    /// A browser, or a thief with a copy of its cookie, sends a request.
    Send {
        isolate: usize,
        browser: usize,
        action: ClientAction,
        copy: Option<String>,
    },
    /// A client disconnects.
    Cancel {
        task: u64,
    },
    /// The client of a driver disconnects, or its background work is cut off.
    CutOff {
        driver: u64,
    },
    /// A thief tries a copied cookie, perhaps at a new isolate.
    Probe {
        session: String,
        place: usize,
        is_new: bool,
    },
    /// A driver begins a need, or follows another.
    Ask {
        driver: u64,
    },
    /// An attempt takes effect.
    Attempt {
        driver: u64,
    },
    /// The outcome of an attempt arrives.
    Heard {
        driver: u64,
        heard: Heard,
    },
    /// A call is retried.
    Again {
        driver: u64,
    },
    /// A call reaches its deadline.
    Deadline {
        driver: u64,
    },
    /// The answer to a need arrives.
    Answer {
        task: u64,
        answer: Reply,
    },
    /// The driver of a value continues.
    Write {
        driver: u64,
    },
    /// The read for a value to merge has an answer.
    Merge {
        driver: u64,
        found: Found,
        asked: u64,
    },
    /// The outcome of a put arrives.
    Put {
        driver: u64,
        attempt: Attempt,
        acknowledged: bool,
    },
    /// An outbox item of this life of an object was performed.
    ItemDone {
        name: String,
        life: u64,
        succeeded: bool,
    },
    /// An object's alarm fires.
    Alarm {
        name: String,
        at: u64,
    },
    /// The identity provider answers an object.
    ProviderAnswer {
        name: String,
        life: u64,
    },
    /// A call of an object reaches its deadline.
    Late {
        name: String,
        call: CallId,
    },
    /// The directory ends a surplus session.
    Surplus(Surplus),
    /// A session gets tokens.
    TokenSet {
        session: String,
    },
    /// A client takes or extends a lease.
    Lease {
        session: String,
        token: Option<u64>,
    },
    /// A client without a lease changes the session.
    OtherChange {
        session: String,
    },
    /// The holder of a lease uses or releases it.
    LeasedChange {
        session: String,
        token: u64,
    },
    Release {
        session: String,
        token: u64,
    },
    /// A client begins a conditional change by reading the session.
    Compare {
        session: String,
    },
    ChangeIf {
        session: String,
        version: Version,
    },
    /// A client refreshes a session's tokens.
    Refresh {
        session: String,
    },
}

pub(super) enum Reply {
    /// Result under a key, with the time of the request.
    Found(String, Found, u64),
    Written(bool),
    Body(Vec<u8>),
}

/// Action of a browser.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ClientAction {
    Look,
    Mark(Mark),
    Rotate,
    SignIn,
    SignOut,
    SignOutEverywhere,
    End,
}

pub(super) enum Stage {
    Admit,
    HandleResponse {
        response_context: String,
        headers: String,
    },
    RunBackground {
        response_context: String,
    },
}

pub(super) struct Task {
    pub(super) isolate: usize,
    pub(super) browser: usize,
    pub(super) action: ClientAction,
    pub(super) sent: u64,
    pub(super) packed: String,
    /// Cookie of the request.
    pub(super) cookie: Option<Token>,
    pub(super) stage: Stage,
    pub(super) answers: Answers,
    pub(super) missing: usize,
    pub(super) storing: Option<Storing>,
    pub(super) run_background: Option<String>,
    pub(super) edited: bool,
    pub(super) lost: bool,
    /// Whether the sender copied the cookie.
    pub(super) is_thief: bool,
    /// Session that the origin was shown, with its marks.
    pub(super) shown: Option<(String, BTreeSet<Mark>)>,
}

pub(super) struct Isolate {
    pub(super) gateway: Gateway,
    pub(super) location: usize,
    /// Number of the isolate in its place; earlier ones are gone.
    pub(super) age: u64,
    /// Number among all isolates of the run.
    pub(super) number: u64,
    pub(super) queue: WriteQueue,
    pub(super) breaker: Breaker,
    pub(super) flights: SingleFlight<Followers>,
}

#[derive(Default)]
pub(super) struct Browser {
    pub(super) cookie: Option<String>,
    pub(super) user: bool,
    pub(super) marks: u32,
    pub(super) left: u32,
    /// Earlier cookies, which a thief may have copied.
    pub(super) copied: Vec<String>,
    /// Newest cookie version of each session.
    pub(super) latest: HashMap<Handle, Version>,
}
