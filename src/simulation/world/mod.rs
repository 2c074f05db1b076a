//! A deployment in several locations, its visitors, and everything that can go wrong, under one clock
//! and one seed: events in the order of their times, and the seed decides what each becomes.

mod asking;
mod browsers;
mod effects;
mod objects;
mod rest;
mod tasks;
mod writing;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::rc::Rc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::directory::Directory;
use super::history::{Limits, Mark, Observation, What};
use super::namespace::Namespace;
use super::outside::{KEY, keys};
use crate::clock::{Seconds, UnixMillis};
use crate::cookie::token::Token;
use crate::deployment::Deployment;
use crate::effect::{Answers, Body, CALL_DEADLINE_MS, Class, Found, Need, Outbound, Write};
use crate::encoding::base64url;
use crate::gateway::{Gateway, ResponseAction, Step};
use crate::http::request::Request;
use crate::keys::KeyRing;
use crate::session::change::Change;
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Entry, Epoch, Version};
use crate::session::token_set::TokenSet;
use crate::session_object::command::{
    Command, Operation, Status, UpdateCommand, parse_object_name,
};
use crate::session_object::object::{Action, CallId, Context, SessionObject};
use crate::session_object::outbox::{self, OutboxItem};
use crate::store::breaker::Breaker;
use crate::store::revocations::Subject;
use crate::store::session_index::object::Surplus;
use crate::store::single_flight::SingleFlight;
use crate::store::write_queue::{Attempt, WriteQueue};
use crate::tenant_id::TenantId;
use crate::upstream::request_headers::Outgoing;

use asking::{Ask, Followers, Heard};
use objects::{Caller, Object};
use writing::{Storing, Writer};

const START: u64 = 1_700_000_000_000;
const ADMIN: &str = "an-admin-token-for-tests";
const IDLE_S: u64 = 600;
const ABSOLUTE_S: u64 = 3_600;
const CACHE_S: u64 = 5;
const MAX_PER_USER: u64 = 2;
const TOKEN_LASTS: Seconds = Seconds(40);

/// How often things go wrong, in parts of a thousand, and how bad it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FaultRates {
    /// A read of the namespace fails.
    pub(crate) reads: u32,
    /// A write of the namespace fails; half of those were applied.
    pub(crate) writes: u32,
    /// A call of an object fails; half of those were applied.
    pub(crate) calls: u32,
    /// An isolate dies, at any step.
    pub(crate) deaths: u32,
    /// A request is cut off, at any step.
    pub(crate) cancels: u32,
    /// How long a write may be on its way to another location.
    pub(crate) slowest_ms: u64,
    /// Writes overtake each other.
    pub(crate) reorders: bool,
}

/// A fault planted on purpose, that the checker has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InjectedBug {
    /// An object now and then forgets what it has acknowledged.
    Forgets,
    /// The directory tells nobody of revocations.
    Deaf,
    /// The directory forgets sessions while they last.
    Tidy,
    /// An object whose first change is delivered twice begins again.
    Amnesia,
    /// Whoever reads from the namespace believes it, however old it is.
    Gullible,
}

enum Event {
    /// A browser does the next thing.
    Act { browser: usize },
    /// A task goes on.
    Go { task: u64 },
    /// A need is to be met: asked for, or waited for.
    Ask { driver: u64 },
    /// An attempt at it takes effect.
    Attempt { driver: u64 },
    /// What an attempt came to arrives.
    Heard { driver: u64, heard: Heard },
    /// It is tried again.
    Again { driver: u64 },
    /// It has taken as long as it may.
    Deadline { driver: u64 },
    /// A need's answer arrives.
    Answer { task: u64, answer: Reply },
    /// Somebody who has a value to store asks what to do.
    Write { driver: u64 },
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
    Alarm { name: String, at: u64 },
    /// The identity provider's answer to an object.
    ProviderAnswer { name: String, life: u64 },
    /// The caller waits no longer.
    Late { name: String, call: CallId },
    /// A session that is one too many for its user is told to end.
    Surplus(Surplus),
    /// A session gets tokens.
    TokenSet { session: String },
    /// Somebody wants to change a session alone.
    Lease { session: String },
    /// A session's tokens are asked for again.
    Refresh { session: String },
}

enum Reply {
    /// What was found under a key, and when that was asked.
    Found(String, Found, u64),
    Written(bool),
    Body(Vec<u8>),
}

/// What a browser wants.
#[derive(Clone, Debug, PartialEq)]
enum ClientAction {
    Look,
    Mark(Mark),
    Rotate,
    SignIn,
    SignOut,
    SignOutEverywhere,
    End,
}

enum Stage {
    Admit,
    Settle {
        response_context: String,
        headers: String,
    },
    Afterwards {
        response_context: String,
    },
}

struct Task {
    isolate: usize,
    browser: usize,
    wish: ClientAction,
    sent: u64,
    packed: String,
    /// The cookie it was sent with.
    cookie: Option<Token>,
    stage: Stage,
    answers: Answers,
    lacking: usize,
    storing: Option<Storing>,
    run_background: Option<String>,
    edited: bool,
    lost: bool,
    /// It comes from somebody who copied the cookie.
    thief: bool,
    /// The session it was served as, and what that showed.
    shown: Option<(String, BTreeSet<Mark>)>,
}

struct Isolate {
    gateway: Gateway,
    location: usize,
    /// Which isolate in this place; the ones before it are gone.
    age: u64,
    /// Its number among all isolates there ever were.
    number: u64,
    queue: WriteQueue,
    breaker: Breaker,
    flights: SingleFlight<Followers>,
}

#[derive(Default)]
struct Browser {
    cookie: Option<String>,
    user: bool,
    marks: u32,
    left: u32,
    /// Cookies it had, which somebody may have copied.
    copied: Vec<String>,
    /// The newest cookie there was of each session.
    latest: HashMap<Handle, Version>,
}

pub(crate) struct World {
    random: ChaCha20Rng,
    weather: FaultRates,
    ordered: bool,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pending: Vec<Option<Event>>,
    sequence: u64,
    namespace: Namespace,
    objects: BTreeMap<String, Object>,
    calls: BTreeMap<CallId, Caller>,
    next_call: u64,
    /// Until when the last lease of each session holds.
    leases: BTreeMap<String, UnixMillis>,
    /// The changes that objects have applied, by object.
    applied: BTreeSet<(String, u64)>,
    directory: Directory,
    isolates: Vec<Isolate>,
    next_isolate: u64,
    /// What isolates drive: needs, and values to be stored.
    asks: BTreeMap<u64, Ask>,
    writers: BTreeMap<u64, Writer>,
    next_driver: u64,
    /// The number of each value that an isolate has had to store.
    values: HashMap<(u64, String, Vec<u8>), u64>,
    next_value: u64,
    /// Until when storage does not answer.
    outage_until: u64,
    browsers: Vec<Browser>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    keys: KeyRing,
    tenant: TenantId,
    pub(crate) planted: Option<InjectedBug>,
    pub(crate) history: Vec<Observation>,
}

impl World {
    pub(crate) fn new(seed: u64, weather: FaultRates, ordered: bool) -> Self {
        let tenant = TenantId::parse("default").unwrap();
        let mut world = Self {
            random: ChaCha20Rng::seed_from_u64(seed),
            weather,
            ordered,
            now: START,
            events: BinaryHeap::new(),
            pending: Vec::new(),
            sequence: 0,
            namespace: Namespace::new(3, weather.slowest_ms, weather.reorders),
            objects: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            leases: BTreeMap::new(),
            applied: BTreeSet::new(),
            directory: Directory::default(),
            isolates: Vec::new(),
            next_isolate: 0,
            asks: BTreeMap::new(),
            writers: BTreeMap::new(),
            next_driver: 0,
            values: HashMap::new(),
            next_value: 0,
            outage_until: 0,
            browsers: Vec::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            keys: keys(&tenant),
            tenant,
            planted: None,
            history: Vec::new(),
        };
        for place in 0..4 {
            let isolate = world.isolate(place % 3, 0);
            world.isolates.push(isolate);
        }
        world
    }

    pub(crate) fn limits(ordered: bool) -> Limits {
        Limits {
            ordered,
            cache_ms: CACHE_S * 1000,
            idle_ms: IDLE_S * 1000,
            absolute_ms: ABSOLUTE_S * 1000,
        }
    }

    fn isolate(&mut self, location: usize, age: u64) -> Isolate {
        let bindings = json!({
            "SESSION_KEYS": base64url(&KEY),
            "ORIGINS": "a=http://a:1,b=http://b:1",
            "SESSIONS": true,
            "SESSION_OBJECTS": true,
            "DIRECTORY_OBJECTS": true,
            "POOL_OBJECTS": true,
            "CONSISTENCY": if self.ordered { "strong" } else { "eventual" },
            "SESSION_IDLE": format!("{IDLE_S}s"),
            "SESSION_ABSOLUTE": format!("{ABSOLUTE_S}s"),
            "SESSION_CACHE": format!("{CACHE_S}s"),
            "MAX_PER_USER": MAX_PER_USER.to_string(),
            "ADMIN_TOKEN": ADMIN,
        });
        let deployment = Deployment::from_bindings(&bindings.to_string())
            .ok()
            .unwrap();
        let random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        self.next_isolate += 1;
        Isolate {
            gateway: Gateway::new(
                deployment.tenant.unwrap(),
                "/_session",
                crate::api::respond,
                random,
            ),
            location,
            age,
            number: self.next_isolate,
            queue: WriteQueue::default(),
            breaker: Breaker::default(),
            flights: SingleFlight::default(),
        }
    }

    /// Lets some browsers do so many things each, then lets everything come to rest.
    pub(crate) fn run(&mut self, browsers: usize, acts: u32) {
        for browser in 0..browsers {
            self.browsers.push(Browser {
                left: acts,
                ..Browser::default()
            });
            for _ in 0..2 {
                self.schedule(500, Event::Act { browser });
            }
        }
        let mut steps = 0;
        while let Some(Reverse((at, _, slot))) = self.events.pop() {
            self.now = at;
            let event = self.pending[slot].take().unwrap();
            self.happen(event);
            steps += 1;
            assert!(steps < 100_000, "it never comes to rest");
        }
        self.rest();
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.random.next_u32() % 1_000 < per_mille
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// At a moment within the next `within_ms`.
    fn schedule(&mut self, within_ms: u64, event: Event) {
        let at = self.now + self.below(within_ms + 1);
        self.schedule_at(at, event);
    }

    fn schedule_at(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.pending.push(Some(event));
        let slot = self.pending.len() - 1;
        self.events.push(Reverse((at, self.sequence, slot)));
    }

    fn new_driver(&mut self) -> u64 {
        self.next_driver += 1;
        self.next_driver
    }

    fn observe(&mut self, what: What) {
        self.history.push(Observation { at: self.now, what });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act { browser } => self.act(browser),
            Event::Go { task } => self.go(task),
            Event::Ask { driver } => self.join(driver),
            Event::Attempt { driver } => self.attempt(driver),
            Event::Heard { driver, heard } => self.heard(driver, heard),
            Event::Again { driver } => self.again(driver),
            Event::Deadline { driver } => self.deadline(driver),
            Event::Answer { task, answer } => self.answer(task, answer),
            Event::Write { driver } => self.drive_write(driver),
            Event::Put {
                driver,
                attempt,
                acknowledged,
            } => self.put_done(driver, &attempt, acknowledged),
            Event::ItemDone {
                name,
                life,
                succeeded,
            } => self.item_done(&name, life, succeeded),
            Event::Alarm { name, at } => self.alarm(&name, at),
            Event::ProviderAnswer { name, life } => self.provider_answer(&name, life),
            Event::Late { name, call } => self.late(&name, call),
            Event::Surplus(surplus) => self.end_surplus(surplus),
            Event::TokenSet { session } => self.grant(&session),
            Event::Lease { session } => self.lease(&session),
            Event::Refresh { session } => self.refresh(&session),
        }
    }
}

fn lifetime() -> Lifetime {
    Lifetime {
        idle: Seconds(IDLE_S),
        absolute: Seconds(ABSOLUTE_S),
        remember: Seconds(ABSOLUTE_S),
    }
}

/// The marks in a session's data.
fn marks(data: &Value) -> BTreeSet<Mark> {
    let members = data.as_object().into_iter().flatten();
    members
        .filter_map(|(name, _)| name.strip_prefix('m')?.parse().ok())
        .collect()
}
