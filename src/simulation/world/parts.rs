//! What happens in a world, and what it is made of.

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

/// Something that happens at its time.
pub(super) enum Event {
    /// A browser does the next thing.
    Act {
        browser: usize,
    },
    /// A task goes on.
    Go {
        task: u64,
    },
    /// A browser sends a request to an isolate, or somebody with a copy of its cookie does.
    Send {
        isolate: usize,
        browser: usize,
        wish: ClientAction,
        copy: Option<String>,
    },
    /// A client hangs up.
    Cancel {
        task: u64,
    },
    /// The client of whoever stores a value hangs up, or work in the background is cut off.
    CutOff {
        driver: u64,
    },
    /// Somebody who copied a cookie of a session tries it, perhaps where nobody has been before.
    Probe {
        session: String,
        place: usize,
        is_new: bool,
    },
    /// A need is to be met: asked for, or waited for.
    Ask {
        driver: u64,
    },
    /// An attempt at it takes effect.
    Attempt {
        driver: u64,
    },
    /// What an attempt came to arrives.
    Heard {
        driver: u64,
        heard: Heard,
    },
    /// It is tried again.
    Again {
        driver: u64,
    },
    /// It has taken as long as it may.
    Deadline {
        driver: u64,
    },
    /// A need's answer arrives.
    Answer {
        task: u64,
        answer: Reply,
    },
    /// Somebody who has a value to store asks what to do.
    Write {
        driver: u64,
    },
    /// What became of a put arrives.
    Put {
        driver: u64,
        attempt: Attempt,
        acknowledged: bool,
    },
    /// An object's outbox item was performed, in that life of the object.
    ItemDone {
        name: String,
        life: u64,
        succeeded: bool,
    },
    /// An object's alarm.
    Alarm {
        name: String,
        at: u64,
    },
    /// The identity provider's answer to an object.
    ProviderAnswer {
        name: String,
        life: u64,
    },
    /// The caller waits no longer.
    Late {
        name: String,
        call: CallId,
    },
    /// A session that is one too many for its user is told to end.
    Surplus(Surplus),
    /// A session gets tokens.
    TokenSet {
        session: String,
    },
    /// Somebody wants to change a session alone, or still.
    Lease {
        session: String,
        token: Option<u64>,
    },
    /// Who has a lease makes use of it, or gives it back.
    LeasedChange {
        session: String,
        token: u64,
    },
    Release {
        session: String,
        token: u64,
    },
    /// Somebody wants to change a session as it was last read.
    Compare {
        session: String,
    },
    ChangeIf {
        session: String,
        version: Version,
    },
    /// A session's tokens are asked for again.
    Refresh {
        session: String,
    },
}

pub(super) enum Reply {
    /// What was found under a key, and when that was asked.
    Found(String, Found, u64),
    Written(bool),
    Body(Vec<u8>),
}

/// What a browser wants.
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
    Settle {
        response_context: String,
        headers: String,
    },
    Afterwards {
        response_context: String,
    },
}

pub(super) struct Task {
    pub(super) isolate: usize,
    pub(super) browser: usize,
    pub(super) wish: ClientAction,
    pub(super) sent: u64,
    pub(super) packed: String,
    /// The cookie it was sent with.
    pub(super) cookie: Option<Token>,
    pub(super) stage: Stage,
    pub(super) answers: Answers,
    pub(super) lacking: usize,
    pub(super) storing: Option<Storing>,
    pub(super) run_background: Option<String>,
    pub(super) edited: bool,
    pub(super) lost: bool,
    /// It comes from somebody who copied the cookie.
    pub(super) thief: bool,
    /// The session it was served as, and what that showed.
    pub(super) shown: Option<(String, BTreeSet<Mark>)>,
}

pub(super) struct Isolate {
    pub(super) gateway: Gateway,
    pub(super) location: usize,
    /// Which isolate in this place; the ones before it are gone.
    pub(super) age: u64,
    /// Its number among all isolates there ever were.
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
    /// Cookies it had, which somebody may have copied.
    pub(super) copied: Vec<String>,
    /// The newest cookie there was of each session.
    pub(super) latest: HashMap<Handle, Version>,
}
