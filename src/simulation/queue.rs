//! Simulates newcomers who wait at a full tenant. They come by several isolates, whose knowledge of the load is up to two
//! seconds old. Some never come back, some are late, some copy their ticket, and calls and answers are lost.

use std::collections::BTreeMap;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng as _};

use super::history::Violation;
use crate::balancer::waiting_queue::{Arrival, Ask, Turn, WaitingQueue, retry_after};
use crate::clock::{Seconds, UnixMillis};

const ISOLATES: usize = 3;
const PLACES: u32 = 12;
const TIMEOUT: Seconds = Seconds(60);

/// Duration of a step, and of the arrivals; then everybody leaves.
const STEP_MS: u64 = 500;
const OPEN_MS: u64 = 5 * 60_000;

/// Maximum time without an admission while there is room and a punctual newcomer waits: until a place ahead is late, and
/// then until the next question is answered.
const MAX_UNUSED_MS: u64 = 30_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Asks when it is told to.
    Punctual,
    /// Asks late now and then.
    Late,
    /// Leaves after a few questions.
    Leaves(u32),
    /// Goes on with its ticket after it was admitted.
    Copies,
}

struct Newcomer {
    arrival: Arrival,
    habit: Habit,
    asks_at: u64,
    /// Time until which it is on time; 0 before its first place.
    due: u64,
    /// Time until which it has a place for certain.
    held_until: u64,
    questions: u32,
    sessions: u32,
    is_gone: bool,
}

struct World {
    random: ChaCha20Rng,
    now: u64,
    queue: WaitingQueue,
    capacity: u32,
    /// Ends of the open sessions.
    sessions: Vec<u64>,
    /// Open sessions as each isolate knows them, and the time of that.
    known: [(u32, u64); ISOLATES],
    newcomers: Vec<Newcomer>,
    unused_since: Option<u64>,
    violations: BTreeMap<&'static str, String>,
}

/// Runs a seed and returns the guarantees that it violates.
pub(super) fn run(seed: u64) -> Vec<Violation> {
    let mut random = ChaCha20Rng::seed_from_u64(seed);
    let capacity = 1 + random.next_u32() % 6;
    let mut world = World {
        random,
        now: 1_700_000_000_000,
        queue: WaitingQueue::default(),
        capacity,
        sessions: Vec::new(),
        known: [(0, 0); ISOLATES],
        newcomers: Vec::new(),
        unused_since: None,
        violations: BTreeMap::new(),
    };
    let begun = world.now;
    while world.now < begun + OPEN_MS {
        world.step(true);
    }
    for one in &mut world.newcomers {
        one.is_gone = true;
    }
    while world.now < begun + OPEN_MS + 2 * TIMEOUT.0 * 1_000 {
        world.step(false);
    }
    world.queue.forget(UnixMillis(world.now));
    if world.queue.waiting(UnixMillis(world.now)) > 0 {
        world.violate("Q6", "a newcomer waits after all have left");
    }
    let violations = world.violations.into_iter();
    violations
        .map(|(broken, what)| Violation(broken, what))
        .collect()
}

impl World {
    fn chance(&mut self, percent: u32) -> bool {
        self.random.next_u32() % 100 < percent
    }

    fn violate(&mut self, guarantee: &'static str, what: &str) {
        let at = self.now;
        let text = || format!("{what}, at {at}");
        self.violations.entry(guarantee).or_insert_with(text);
    }

    fn active(&self) -> u32 {
        u32::try_from(self.sessions.len()).unwrap()
    }

    fn step(&mut self, is_open: bool) {
        self.now += STEP_MS;
        let now = self.now;
        self.sessions.retain(|end| *end > now);
        let active = self.active();
        for at in 0..ISOLATES {
            // An exchange may be due, and always happens within two seconds.
            if now - self.known[at].1 > 1_500 || self.chance(40) {
                self.known[at] = (active, now);
            }
        }
        if is_open && self.chance(25) {
            self.arrive();
        }
        for at in 0..self.newcomers.len() {
            if !self.newcomers[at].is_gone && self.newcomers[at].asks_at <= now {
                self.ask(at);
            }
        }
        self.check_use();
        self.check_bound();
    }

    fn arrive(&mut self) {
        let habit = match self.random.next_u32() % 10 {
            0..=4 => Habit::Punctual,
            5..=6 => Habit::Late,
            7..=8 => Habit::Leaves(1 + self.random.next_u32() % 3),
            _ => Habit::Copies,
        };
        let at = UnixMillis(self.now);
        let id = self.random.next_u32();
        self.newcomers.push(Newcomer {
            arrival: Arrival { at, id },
            habit,
            asks_at: self.now,
            due: 0,
            held_until: 0,
            questions: 0,
            sessions: 0,
            is_gone: false,
        });
    }

    fn ask(&mut self, at: usize) {
        let isolate = self.random.next_u32() as usize % ISOLATES;
        let now = self.now;
        self.newcomers[at].asks_at = now + 5_000;
        // The object does not answer: the gateway refuses, and the newcomer keeps its ticket.
        if self.chance(3) {
            return;
        }
        let ask = Ask {
            arrival: self.newcomers[at].arrival,
            room: self.capacity.saturating_sub(self.known[isolate].0),
            places: PLACES,
            timeout: TIMEOUT,
        };
        let turn = self.queue.ask(&ask, UnixMillis(now));
        let is_lost = self.chance(3);
        match turn {
            Turn::Admitted if is_lost => {}
            Turn::Admitted => self.admit(at),
            Turn::Waits(place) => self.wait(at, place),
            Turn::Spent => self.newcomers[at].is_gone = true,
            Turn::Refused if self.newcomers[at].due == 0 => self.newcomers[at].is_gone = true,
            Turn::Refused => {}
        }
    }

    fn admit(&mut self, at: usize) {
        let lasts = 2_000 + u64::from(self.random.next_u32() % 60_000);
        self.sessions.push(self.now + lasts);
        self.unused_since = None;
        let one = &mut self.newcomers[at];
        one.sessions += 1;
        one.held_until = 0;
        one.is_gone = one.habit != Habit::Copies;
        let (arrival, sessions) = (one.arrival, one.sessions);
        if sessions > 2 {
            self.violate("Q5", "a ticket began a third session");
        }
        if self.active() > self.capacity {
            self.violate("Q3", "more sessions than the tenant has room for");
        }
        let is_ahead = |other: &&Newcomer| {
            !other.is_gone && other.arrival < arrival && other.due > self.now && other.sessions == 0
        };
        let ahead = self.newcomers.iter().filter(is_ahead).count();
        let left = self.capacity.saturating_sub(self.active()) as usize;
        if left < ahead {
            self.violate("Q1", "a newcomer took the room of one who came before");
        }
    }

    fn wait(&mut self, at: usize, place: u32) {
        let retry_ms = retry_after(Some(place), TIMEOUT) * 1_000;
        let is_late = self.chance(30);
        let one = &mut self.newcomers[at];
        one.questions += 1;
        one.due = self.now + retry_ms * 3 / 2;
        let lasts_ms = match one.questions {
            1 => retry_ms * 2,
            _ => TIMEOUT.0 * 1_000,
        };
        one.held_until = self.now + lasts_ms;
        one.asks_at = match one.habit {
            Habit::Late if is_late => self.now + retry_ms * 4,
            _ => self.now + retry_ms,
        };
        if matches!(one.habit, Habit::Leaves(after) if one.questions >= after) {
            one.is_gone = true;
        }
    }

    /// Checks that room is used soon while a newcomer waits for it punctually.
    fn check_use(&mut self) {
        let is_waiting = |one: &Newcomer| !one.is_gone && one.due > self.now && one.sessions == 0;
        let is_unused = self.active() < self.capacity && self.newcomers.iter().any(is_waiting);
        let since = *self.unused_since.get_or_insert(self.now);
        if !is_unused {
            self.unused_since = None;
        } else if self.now - since > MAX_UNUSED_MS {
            self.violate("Q2", "room stays unused while a newcomer waits");
        }
    }

    fn check_bound(&mut self) {
        let waiting = self.queue.waiting(UnixMillis(self.now));
        if waiting > PLACES {
            self.violate("Q4", "more newcomers wait than there are places");
        }
    }
}

#[test]
fn newcomers_are_served_in_order_within_capacity_and_bound() {
    for seed in 0..300 {
        let violations = run(seed);
        assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
    }
}
