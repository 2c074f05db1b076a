//! The path of a request, one step after the other.
//!
//! [`Gateway::admit`] is the way in, [`Gateway::settle`] the way out, [`Gateway::afterwards`] what
//! can wait until the visitor has the answer. Each returns at once: with its decision, or with the
//! one read it lacks, to be called again with the answer. Nothing is remembered in between but
//! caches, so a request may be dropped at any point.

mod admission;
mod affinity;
mod outgoing;
mod recognition;
mod reserved;
mod settlement;
mod ticket;
mod upkeep;

#[cfg(test)]
mod tests;

use rand_chacha::ChaCha20Rng;

use crate::answer::Answer;
use crate::answer::problem::Problem;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::cookie::forgery_limit::ForgeryLimit;
use crate::cookie::name::CookieName;
use crate::cookie::set_cookie;
use crate::deployment::Deployment;
use crate::forward::trace::Trace;
use crate::inbound::path::{self, Territory};
use crate::inbound::request::Request;
use crate::inbound::{limits, upgrade};
use crate::route::suspicion::Suspicions;
use crate::session::codec;
use crate::session::id::{RecordName, SessionId};
use crate::session::record::Entry;
use crate::store::cache::{Cache, Known};
use crate::store::{Answers, Read, Write};
use crate::telemetry::log::{Event, Level};

pub use outgoing::Forward;
pub use settlement::Settled;

/// How long a tombstone or a pointer is kept: longer than any request that could still write.
const GONE_TTL: crate::clock::Seconds = crate::clock::Seconds(86_400);

/// What is to be done with a request next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send it to an origin.
    Forward(Forward),
    /// Answer it.
    Answer(Answer),
    /// Read this, then ask again.
    Read(Read),
    /// Store what [`Gateway::take_writes`] holds, wait for the acknowledgement, then ask again.
    Store,
}

/// Why a step stops short of forwarding.
enum Halt {
    Read(Read),
    Store,
    Answer(Answer),
    Refuse {
        problem: Problem,
        clear_cookie: bool,
    },
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Self {
        Self::Refuse {
            problem,
            clear_cookie: false,
        }
    }
}

/// One request on its way through.
struct Passage<'a> {
    request: &'a Request<'a>,
    answers: &'a Answers,
    cookie: CookieName,
    now: UnixMillis,
}

/// The gateway of one isolate.
pub struct Gateway {
    deployment: Deployment,
    cache: Cache,
    suspicions: Suspicions,
    forgeries: ForgeryLimit,
    random: ChaCha20Rng,
    writes: Vec<Write>,
    events: Vec<Event>,
}

impl Gateway {
    /// A gateway for a checked deployment. `random` must be seeded from a cryptographic source:
    /// session ids and nonces come from it.
    #[must_use]
    pub fn new(deployment: Deployment, random: ChaCha20Rng) -> Self {
        Self {
            deployment,
            cache: Cache::default(),
            suspicions: Suspicions::default(),
            forgeries: ForgeryLimit::default(),
            random,
            writes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Decides on a packed request (see [`Request::parse`]), given what was answered so far.
    pub fn admit(&mut self, packed: &str, now: UnixMillis, answers: &Answers) -> Step {
        let Some(request) = Request::parse(packed) else {
            return Step::Answer(Problem::Internal.answer(false, ""));
        };
        let trace = Trace::follow(
            request.header("traceparent"),
            request.header("tracestate"),
            &mut self.random,
        );
        let cookie = CookieName::for_location(&request.location);
        let passage = Passage {
            request: &request,
            answers,
            cookie,
            now,
        };
        match self.pass(&passage, &trace) {
            Ok(forward) => Step::Forward(forward),
            Err(Halt::Read(read)) => Step::Read(read),
            Err(Halt::Store) => Step::Store,
            Err(Halt::Answer(answer)) => Step::Answer(answer),
            Err(Halt::Refuse {
                problem,
                clear_cookie,
            }) => {
                let answer = problem.answer(request.is_navigation(), trace.id());
                Step::Answer(answer.with_cookie(clear_cookie.then(|| set_cookie::clear(cookie))))
            }
        }
    }

    fn pass(&mut self, passage: &Passage<'_>, trace: &Trace<'_>) -> Result<Forward, Halt> {
        limits::check(passage.request).map_err(Problem::from)?;
        match path::territory(passage.request.location.path, &self.deployment.prefix) {
            Territory::Disguised => return Err(Problem::BadPath.into()),
            Territory::Reserved(route) => return Err(self.reserved(route, passage)),
            Territory::Origin => {}
        }
        if passage.request.is_websocket() {
            upgrade::check(passage.request, &self.deployment.tenant.allowed_origins)
                .map_err(Problem::from)?;
        }
        let caller = self.recognise(passage)?;
        let visitor = self.receive(caller, passage)?;
        let course = self.choose_origin(&visitor, passage)?;
        Ok(self.forward(&visitor, &course, passage, trace))
    }

    /// The values to be stored, sealed, since the last call.
    pub fn take_writes(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.writes)
    }

    /// The events to be logged since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    /// Queues `entry` for storage, and remembers it.
    fn store(&mut self, id: SessionId, entry: Entry, now: UnixMillis) {
        let tenant = &self.deployment.tenant;
        let name = RecordName::derive(&tenant.id, &id);
        let ttl = match &entry {
            Entry::Live(record) => tenant.lifetime.stored_for(&record.span(), now.seconds()),
            Entry::Moved { .. } | Entry::Ended { .. } => GONE_TTL,
        };
        match codec::seal(&entry, &name, &tenant.keys, &mut self.random) {
            Some(value) => self.writes.push(Write::record(&name, value, ttl)),
            None => self.note(Event::new(Level::Error, "record_not_sealed")),
        }
        self.cache.put(id, Known::new(entry), now);
    }

    fn note(&mut self, event: Event) {
        self.events.push(event.of(&self.deployment.tenant.id));
    }

    /// How long a browser should keep a cookie of a session begun at `created`.
    fn cookie_age(&self, created: UnixSeconds, now: UnixMillis) -> crate::clock::Seconds {
        (created + self.deployment.tenant.lifetime.absolute).since(now.seconds())
    }
}

impl From<upgrade::BadUpgrade> for Problem {
    fn from(bad: upgrade::BadUpgrade) -> Self {
        match bad {
            upgrade::BadUpgrade::Method => Self::MethodNotAllowed("GET"),
            upgrade::BadUpgrade::Version => Self::UpgradeVersion,
            upgrade::BadUpgrade::Key => Self::UpgradeKey,
            upgrade::BadUpgrade::Origin => Self::CrossSite,
        }
    }
}
