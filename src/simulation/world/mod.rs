//! Simulates a deployment in several locations with its clients and all faults, under one clock and one seed. Events
//! happen in the order of their times, and the seed decides their outcome.

mod asking;
mod browsers;
mod convergence;
mod effects;
mod faults;
mod merging;
mod objects;
mod oracle;
mod parts;
mod tasks;
mod tokens;
mod writing;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::directory::Directory;
use super::fake_io::{KEY, keys};
use super::history::{Limits, Mark, Observation, What};
use super::namespace::Namespace;
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
    Command, LeaseCommand, Operation, Status, UpdateCommand, parse_object_name,
};
use crate::session_object::object::{Action, CallId, Context, SessionObject};
use crate::session_object::outbox::{self, OutboxItem};
use crate::store::breaker::Breaker;
use crate::store::revocations::Subject;
use crate::store::session_index::object::Surplus;
use crate::store::single_flight::SingleFlight;
use crate::store::write_queue::WriteQueue;
use crate::tenant_id::TenantId;
use crate::upstream::request_headers::Outgoing;

use asking::Ask;
use objects::{Caller, Object};
use oracle::Seen;
use parts::{Browser, ClientAction, Event, Isolate, Reply, Stage, Task};
use tokens::Lease;
use writing::Writer;

pub(crate) use faults::{FaultRates, InjectedBug, fault_rates};

const START: u64 = 1_700_000_000_000;
const ADMIN: &str = "an-admin-token-for-tests";
const ABSOLUTE_S: u64 = 3_600;
const CACHE_S: u64 = 5;
const MAX_PER_USER: u64 = 2;
/// Number of users that the browsers share.
const USERS: usize = 2;
const TOKEN_LASTS: Seconds = Seconds(40);

/// Maximum number of steps, above which a run counts as endless.
const MAX_STEPS: u64 = 100_000;

pub(crate) struct World {
    random: ChaCha20Rng,
    rates: FaultRates,
    ordered: bool,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pending: Vec<Option<Event>>,
    sequence: u64,
    namespace: Namespace,
    objects: BTreeMap<String, Object>,
    calls: BTreeMap<CallId, Caller>,
    next_call: u64,
    /// Calls that end their session.
    ending_calls: BTreeSet<CallId>,
    /// Last lease of each session.
    leases: BTreeMap<String, Lease>,
    /// The last token a lease had when somebody signed in to the session: that sign-in ended it.
    signed_in: BTreeMap<String, u64>,
    given_back: BTreeSet<(String, u64)>,
    /// Changes that objects have applied, by object.
    applied: BTreeSet<(String, u64)>,
    /// Sessions whose copied cookies were tried after their end.
    probed: BTreeSet<String>,
    /// Last stored state of each object.
    seen: BTreeMap<String, Seen>,
    directory: Directory,
    /// Time of the last call of the tenant's object, and the error of its clock.
    directory_at: u64,
    skew_ms: i64,
    isolates: Vec<Isolate>,
    next_isolate: u64,
    /// Drivers of needs and of values.
    asks: BTreeMap<u64, Ask>,
    writers: BTreeMap<u64, Writer>,
    next_driver: u64,
    /// Number of each value that an isolate stores.
    values: HashMap<(u64, String, Vec<u8>), u64>,
    next_value: u64,
    /// Time when storage recovers.
    outage_until: u64,
    /// Begin and end of the outage of writes.
    outage: (u64, u64),
    /// Time ahead within which alarms are scheduled, in milliseconds.
    horizon_ms: u64,
    browsers: Vec<Browser>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    keys: KeyRing,
    tenant: TenantId,
    pub(crate) injected: Option<InjectedBug>,
    pub(crate) history: Vec<Observation>,
}

impl World {
    pub(crate) fn new(seed: u64, rates: FaultRates, ordered: bool) -> Self {
        let tenant = TenantId::parse("default").unwrap();
        let mut world = Self {
            random: ChaCha20Rng::seed_from_u64(seed),
            rates,
            ordered,
            now: START,
            events: BinaryHeap::new(),
            pending: Vec::new(),
            sequence: 0,
            namespace: Namespace::new(3, rates.slowest_ms, rates.reorders),
            objects: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_call: 0,
            ending_calls: BTreeSet::new(),
            leases: BTreeMap::new(),
            signed_in: BTreeMap::new(),
            given_back: BTreeSet::new(),
            applied: BTreeSet::new(),
            probed: BTreeSet::new(),
            seen: BTreeMap::new(),
            directory: Directory::default(),
            directory_at: 0,
            skew_ms: 0,
            isolates: Vec::new(),
            next_isolate: 0,
            asks: BTreeMap::new(),
            writers: BTreeMap::new(),
            next_driver: 0,
            values: HashMap::new(),
            next_value: 0,
            outage_until: 0,
            outage: (0, 0),
            horizon_ms: objects::HORIZON_MS,
            browsers: Vec::new(),
            tasks: BTreeMap::new(),
            next_task: 0,
            keys: keys(&tenant),
            tenant,
            injected: None,
            history: Vec::new(),
        };
        let begins = START + world.below(60_000);
        let lasts = rates.outage_ms / 2 + world.below(rates.outage_ms / 2 + 1);
        world.outage = (begins, begins + lasts);
        for place in 0..4 {
            let isolate = world.isolate(place % 3, 0);
            world.isolates.push(isolate);
        }
        world
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            ordered: self.ordered,
            cache_ms: CACHE_S * 1000,
            idle_ms: self.rates.idle_s * 1000,
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
            "SESSION_IDLE": format!("{}s", self.rates.idle_s),
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

    /// Lets browsers act, then lets all work end.
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
        self.run_events();
        self.check_convergence();
        self.expire_all();
    }

    /// Runs all scheduled events.
    fn run_events(&mut self) {
        let mut steps = 0;
        while let Some(Reverse((at, _, slot))) = self.events.pop() {
            self.now = at;
            let event = self.pending[slot].take().unwrap();
            self.happen(event);
            steps += 1;
            if steps > MAX_STEPS {
                self.observe(What::NeverRests);
                return self.events.clear();
            }
        }
    }

    fn chance(&mut self, per_mille: u32) -> bool {
        self.random.next_u32() % 1_000 < per_mille
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.next_u64() % limit
    }

    /// Schedules an event at a random time within the next `within_ms`.
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

    fn lifetime(&self) -> Lifetime {
        Lifetime {
            idle: Seconds(self.rates.idle_s),
            absolute: Seconds(ABSOLUTE_S),
            remember: Seconds(ABSOLUTE_S),
        }
    }

    /// Returns the user that a browser signs in as.
    fn user(browser: usize) -> String {
        format!("u{}", browser % USERS)
    }

    fn observe(&mut self, what: What) {
        self.history.push(Observation { at: self.now, what });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act { browser } => self.act(browser),
            Event::Go { task } => self.go(task),
            Event::Send {
                isolate,
                browser,
                action,
                copy,
            } => {
                let is_thief = copy.is_some();
                let value = copy.or_else(|| self.browsers[browser].cookie.clone());
                self.send(isolate, browser, action, value, is_thief);
            }
            Event::Cancel { task } => self.cancel(task),
            Event::CutOff { driver } => self.cut_off(driver),
            Event::Probe {
                session,
                place,
                is_new,
            } => self.probe(&session, place, is_new),
            Event::Ask { driver } => self.join(driver),
            Event::Attempt { driver } => self.attempt(driver),
            Event::Heard { driver, heard } => self.heard(driver, heard),
            Event::Again { driver } => self.again(driver),
            Event::Deadline { driver } => self.deadline(driver),
            Event::Answer { task, answer } => self.answer(task, answer),
            Event::Write { driver } => self.drive_write(driver),
            Event::Merge {
                driver,
                found,
                asked,
            } => self.merge(driver, &found, asked),
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
            Event::Lease { session, token } => self.lease(&session, token),
            Event::LeasedChange { session, token } => self.leased_change(&session, token),
            Event::OtherChange { session } => self.other_change(&session),
            Event::Release { session, token } => self.release(&session, token),
            Event::Compare { session } => self.compare(&session),
            Event::ChangeIf { session, version } => self.change_if(&session, version),
            Event::Refresh { session } => self.refresh(&session),
        }
    }
}

/// Returns the marks in a session's data.
fn marks(data: &Value) -> BTreeSet<Mark> {
    let members = data.as_object().into_iter().flatten();
    members
        .filter_map(|(name, _)| name.strip_prefix('m')?.parse().ok())
        .collect()
}
