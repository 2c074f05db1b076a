//! A deployment in several locations, its visitors, and everything that can go wrong, under one clock
//! and one seed: events in the order of their times, and the seed decides what each becomes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::directory::Directory;
use super::history::{Limits, Mark, Observation, What};
use super::namespace::Namespace;
use super::outside::{KEY, keys};
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::deployment::Deployment;
use crate::encoding::base64url;
use crate::forward::headers::Outgoing;
use crate::gateway::{Gateway, Settled, Step};
use crate::keys::KeyRing;
use crate::ledger::Ledger;
use crate::ledger::command::{Command, Is, Order, parse_object_name};
use crate::ledger::errand::{self, Errand};
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::record::{Entry, Version};
use crate::store::revocations::Subject;
use crate::store::{Answers, Class, Found, Need, Write};
use crate::tenant_id::TenantId;

const START: u64 = 1_700_000_000_000;
const ADMIN: &str = "an-admin-token-for-tests";
const IDLE_S: u64 = 600;
const ABSOLUTE_S: u64 = 3_600;
const CACHE_S: u64 = 5;

/// How often things go wrong, in parts of a thousand, and how bad it gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// A read of the namespace fails.
    pub(crate) reads: u32,
    /// A write of the namespace fails; half of those were applied.
    pub(crate) writes: u32,
    /// A call of an object fails; half of those were applied.
    pub(crate) calls: u32,
    /// An isolate dies, at any step.
    pub(crate) deaths: u32,
    /// How long a write may be on its way to another location.
    pub(crate) slowest_ms: u64,
    /// Writes overtake each other.
    pub(crate) reorders: bool,
}

/// A fault planted on purpose, that the checker has to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// An object now and then forgets what it has acknowledged.
    Forgets,
    /// The directory tells nobody of revocations.
    Deaf,
    /// An object whose first change is delivered twice begins anew.
    Amnesia,
    /// Whoever reads from the namespace believes it, however old it is.
    Gullible,
}

enum Event {
    /// A browser does the next thing.
    Act { browser: usize },
    /// A task goes on.
    Go { task: u64 },
    /// A need takes effect.
    Effect {
        task: u64,
        need: Need,
        writes: Vec<Write>,
        attempt: u32,
    },
    /// Its answer arrives.
    Answer { task: u64, answer: Reply },
    /// An isolate's turn to write a key.
    Put {
        isolate: usize,
        age: u64,
        key: String,
    },
    /// An object's errands.
    Errand { name: String },
}

enum Reply {
    Found(String, Found),
    Written(bool),
}

/// What a browser wants.
#[derive(Clone, Debug, PartialEq)]
enum Wish {
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
    Settle { ticket: String, headers: String },
    Afterwards { ticket: String },
}

struct Task {
    isolate: usize,
    age: u64,
    browser: usize,
    wish: Wish,
    sent: u64,
    packed: String,
    /// The cookie it was sent with.
    cookie: Option<Token>,
    stage: Stage,
    answers: Answers,
    lacking: usize,
    afterwards: Option<String>,
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
    waiting: HashMap<String, Write>,
    written: HashMap<String, u64>,
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
    weather: Weather,
    ordered: bool,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, usize)>>,
    pending: Vec<Option<Event>>,
    sequence: u64,
    namespace: Namespace,
    rows: BTreeMap<String, Vec<u8>>,
    directory: Directory,
    isolates: Vec<Isolate>,
    browsers: Vec<Browser>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
    keys: KeyRing,
    tenant: TenantId,
    pub(crate) planted: Option<Planted>,
    pub(crate) history: Vec<Observation>,
}

impl World {
    pub(crate) fn new(seed: u64, weather: Weather, ordered: bool) -> Self {
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
            rows: BTreeMap::new(),
            directory: Directory::default(),
            isolates: Vec::new(),
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
            "CONSISTENCY": if self.ordered { "strong" } else { "eventual" },
            "SESSION_IDLE": format!("{IDLE_S}s"),
            "SESSION_ABSOLUTE": format!("{ABSOLUTE_S}s"),
            "SESSION_CACHE": format!("{CACHE_S}s"),
            "ADMIN_TOKEN": ADMIN,
        });
        let deployment = Deployment::from_bindings(&bindings.to_string())
            .ok()
            .unwrap();
        let random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        Isolate {
            gateway: Gateway::new(deployment, random),
            location,
            age,
            waiting: HashMap::new(),
            written: HashMap::new(),
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

    fn observe(&mut self, what: What) {
        self.history.push(Observation { at: self.now, what });
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Act { browser } => self.act(browser),
            Event::Go { task } => self.go(task),
            Event::Effect {
                task,
                need,
                writes,
                attempt,
            } => self.take_effect(task, need, writes, attempt),
            Event::Answer { task, answer } => self.answer(task, answer),
            Event::Put { isolate, age, key } => self.put(isolate, age, &key),
            Event::Errand { name } => self.run_errand(&name),
        }
    }

    // ---- browsers

    fn act(&mut self, browser: usize) {
        let Some(left) = self.browsers[browser].left.checked_sub(1) else {
            return;
        };
        self.browsers[browser].left = left;
        let wish = self.wish(browser);
        let (method, target) = match wish {
            Wish::SignOut | Wish::SignOutEverywhere => ("POST", "/_session/logout"),
            _ => ("GET", "/"),
        };
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        if wish == Wish::SignOutEverywhere {
            packed.push_str("\ncontent-type\napplication/json");
        }
        let mut value = self.browsers[browser].cookie.clone();
        // Somebody with a copy of an old cookie looks in now and then.
        let copies = u64::try_from(self.browsers[browser].copied.len()).unwrap();
        let thief = wish == Wish::Look && copies > 0 && self.chance(200);
        if thief {
            let which = usize::try_from(self.below(copies)).unwrap();
            value = Some(self.browsers[browser].copied[which].clone());
        }
        if let Some(value) = &value {
            packed.push_str(&format!("\ncookie\n__Host-session={value}"));
        }
        let isolate = usize::try_from(self.below(4)).unwrap();
        if self.chance(self.weather.deaths) {
            self.die(isolate);
        }
        let task = Task {
            isolate,
            age: self.isolates[isolate].age,
            browser,
            wish,
            sent: self.now,
            packed,
            cookie: value.and_then(|value| self.token(&value)),
            stage: Stage::Admit,
            answers: Answers::default(),
            lacking: 0,
            afterwards: None,
            edited: false,
            lost: false,
            shown: None,
            thief,
        };
        let session = match task.wish {
            Wish::End | Wish::SignOut => task.cookie.map(|token| Some(token.handle.to_text())),
            Wish::SignOutEverywhere => Some(None),
            _ => None,
        };
        if let Some(session) = session {
            self.observe(What::Ending { browser, session });
        }
        self.next_task += 1;
        self.tasks.insert(self.next_task, task);
        let task = self.next_task;
        self.schedule(100, Event::Go { task });
        let pause = match self.below(20) {
            0 => 400_000,
            1..=3 => 30_000,
            4..=9 => 4_000,
            _ => 300,
        };
        self.schedule(pause, Event::Act { browser });
    }

    fn wish(&mut self, browser: usize) -> Wish {
        match self.below(100) {
            50..85 => {
                let own = &mut self.browsers[browser];
                own.marks += 1;
                Wish::Mark((u64::try_from(browser).unwrap() << 32) + u64::from(own.marks))
            }
            85..90 => Wish::Rotate,
            90..94 => Wish::SignIn,
            94..96 => Wish::SignOut,
            96..98 if self.browsers[browser].user => Wish::SignOutEverywhere,
            98.. => Wish::End,
            _ => Wish::Look,
        }
    }

    fn controls(&self, task: &Task) -> String {
        match &task.wish {
            Wish::Mark(mark) => format!("x-session-patch\n{{\"m{mark}\":1}}"),
            Wish::Rotate => "x-session-rotate\n1".to_owned(),
            Wish::SignIn => format!("x-session-identify\n{{\"user\":\"u{}\"}}", task.browser),
            Wish::End => "x-session-destroy\n1".to_owned(),
            _ => String::new(),
        }
    }

    fn token(&self, value: &str) -> Option<Token> {
        let now = UnixMillis(self.now).seconds();
        let verified = Token::verify(value, &self.keys, now);
        verified.ok().map(|verified| verified.token)
    }

    /// A browser takes what an answer says about its cookie. Answers that overtake each other do not
    /// take back a newer one: nothing an edge does could help there.
    fn take_cookie(
        &mut self,
        browser: usize,
        before: Option<&Token>,
        headers: &[(&'static str, String)],
    ) {
        for (name, line) in headers {
            if *name != "set-cookie" {
                continue;
            }
            let own = self.browsers[browser].cookie.clone();
            let own = own.and_then(|value| self.token(&value));
            if line.contains("Max-Age=0") {
                let same = own.map(|own| own.handle) == before.map(|token| token.handle);
                if same {
                    self.browsers[browser].cookie = None;
                    self.browsers[browser].user = false;
                }
                continue;
            }
            let value = line.split(['=', ';']).nth(1).unwrap_or_default();
            let Some(token) = self.token(value) else {
                panic!("a cookie of ours that is not: {line}");
            };
            // A guest's first cookie is not looked up, and passes for that guest only.
            if token.least_version.0 > 0 {
                self.browsers[browser].copied.push(value.to_owned());
            }
            if let Some(before) = before
                && before.handle == token.handle
                && before.id != token.id
            {
                let text = |token: &Token| base64url(token.id.as_bytes());
                let (from, to) = (text(before), text(&token));
                self.observe(What::Replaced { from, to });
            }
            let latest = self.browsers[browser]
                .latest
                .entry(token.handle)
                .or_default();
            if *latest <= token.least_version {
                *latest = token.least_version;
                let gullible = Token {
                    least_version: token.least_version.min(Version(1)),
                    ..token
                };
                self.browsers[browser].cookie = Some(match self.planted {
                    Some(Planted::Gullible) => gullible.mint(&self.keys),
                    _ => value.to_owned(),
                });
            }
        }
    }

    // ---- tasks

    fn go(&mut self, number: u64) {
        let Some(mut task) = self.tasks.remove(&number) else {
            return;
        };
        let place = task.isolate;
        if self.chance(self.weather.deaths) {
            self.die(place);
        }
        if self.isolates[place].age != task.age {
            // Gone, and its answer with it.
            return;
        }
        let now = UnixMillis(self.now);
        let gateway = &mut self.isolates[place].gateway;
        let needs = match &task.stage {
            Stage::Admit => match gateway.admit(&task.packed, now, &task.answers) {
                Step::Await(needs) => needs,
                Step::Forward(forward) => {
                    task.shown = self.served(&task, &forward.headers, &forward.origin);
                    let headers = self.controls(&task);
                    task.edited = forward.settle || !headers.is_empty();
                    task.afterwards = forward.afterwards.then(|| forward.ticket.clone());
                    task.stage = Stage::Settle {
                        ticket: forward.ticket,
                        headers,
                    };
                    task.answers = Answers::default();
                    let thinking =
                        [20, 200, 3_000, 20_000][usize::try_from(self.below(4)).unwrap()];
                    self.tasks.insert(number, task);
                    self.store_later(place);
                    return self.schedule(thinking, Event::Go { task: number });
                }
                Step::Answer(answer) => {
                    self.store_later(place);
                    return self.answered(&task, answer.status, &answer.headers, &answer.body);
                }
            },
            Stage::Settle { ticket, headers } => {
                let settled = if task.edited {
                    gateway.settle(ticket, 200, headers, now, &task.answers)
                } else {
                    Settled::Untouched
                };
                match settled {
                    Settled::Await(needs) => needs,
                    done => {
                        self.store_later(place);
                        // Told to the operator, not to the browser: its id was replaced by a sign-in
                        // or its session ended while it was under way.
                        let events = self.isolates[place].gateway.take_events();
                        task.lost = events
                            .iter()
                            .any(|event| event.to_line().contains("session_change_lost"));
                        match done {
                            Settled::Edited(edits) => self.settled(&task, &edits.append),
                            Settled::Replaced(answer) => {
                                self.answered(&task, answer.status, &answer.headers, &answer.body);
                            }
                            _ => self.settled(&task, &[]),
                        }
                        if let Some(ticket) = task.afterwards.take() {
                            task.stage = Stage::Afterwards { ticket };
                            task.answers = Answers::default();
                            self.tasks.insert(number, task);
                            self.schedule(10, Event::Go { task: number });
                        }
                        return;
                    }
                }
            }
            Stage::Afterwards { ticket } => {
                let needs = gateway.afterwards(ticket, now, &task.answers);
                if needs.is_empty() {
                    return self.store_later(place);
                }
                needs
            }
        };
        task.lacking = needs.len();
        self.tasks.insert(number, task);
        for need in needs {
            let writes = match &need {
                Need::Store => self.isolates[place].gateway.take_writes(),
                _ => Vec::new(),
            };
            let wait = match &need {
                Need::Read { after_ms, .. } => u64::from(*after_ms),
                _ => 0,
            };
            let at = self.now + wait + self.below(60);
            let effect = Event::Effect {
                task: number,
                need,
                writes,
                attempt: 0,
            };
            self.schedule_at(at, effect);
        }
    }

    fn answer(&mut self, number: u64, answer: Reply) {
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        match answer {
            Reply::Found(key, found) => task.answers.add(&key, found),
            Reply::Written(acknowledged) => task.answers.set_written(acknowledged),
        }
        task.lacking -= 1;
        if task.lacking == 0 {
            self.go(number);
        }
    }

    fn die(&mut self, place: usize) {
        let Isolate { location, age, .. } = self.isolates[place];
        self.isolates[place] = self.isolate(location, age + 1);
    }

    fn served(
        &mut self,
        task: &Task,
        headers: &Outgoing,
        origin: &str,
    ) -> Option<(String, BTreeSet<Mark>)> {
        let told = |name: &str| headers.value(name).unwrap_or_default().to_owned();
        let data: Value = serde_json::from_str(&told("x-session-data")).unwrap_or_default();
        let marks = marks(&data);
        let created: u64 = told("x-session-created").parse().unwrap();
        let degraded = told("x-session-state") == "degraded";
        let session = told("x-session-id");
        let session = Handle::parse(&session).unwrap().to_text();
        let shown = (!degraded && !task.thief).then(|| (session.clone(), marks.clone()));
        let what = What::Served {
            browser: task.browser,
            sent: task.sent,
            session,
            created: created * 1000,
            thief: task.thief,
            marks,
            degraded,
            origin: origin.to_owned(),
        };
        self.observe(what);
        shown
    }

    /// An origin's answer has reached the browser.
    fn settled(&mut self, task: &Task, headers: &[(&'static str, String)]) {
        let session = self.session_of(task, headers);
        if let Some((session, marks)) = task.shown.clone() {
            self.observe(What::Seen {
                browser: task.browser,
                session,
                marks,
            });
        }
        if !task.thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
        // With KV alone nobody is told that a change is kept.
        let kept = !task.lost && self.ordered;
        match (&task.wish, session) {
            (Wish::Mark(mark), Some(session)) if kept => self.observe(What::Kept {
                browser: task.browser,
                session,
                mark: *mark,
            }),
            (Wish::SignIn, _) => self.browsers[task.browser].user = true,
            (Wish::End, _) => {
                let cleared = headers.iter().any(|(_, line)| line.contains("Max-Age=0"));
                // A guest of whom nothing is stored has nothing that could end.
                let recorded = task.cookie.filter(|token| token.least_version.0 > 0);
                if let Some(token) = recorded.filter(|_| cleared) {
                    self.over(token.handle);
                }
            }
            _ => {}
        }
    }

    /// Which session an answer concerns: the one its cookie names.
    fn session_of(&self, task: &Task, headers: &[(&'static str, String)]) -> Option<String> {
        let line = headers.iter().find(|(name, _)| *name == "set-cookie");
        let value = line.and_then(|(_, line)| line.split(['=', ';']).nth(1));
        let token = value.and_then(|value| self.token(value)).or(task.cookie);
        // A cookie without a version vouches for nothing that is stored.
        token
            .filter(|token| token.least_version.0 > 0)
            .map(|token| token.handle.to_text())
    }

    fn over(&mut self, handle: Handle) {
        let session = handle.to_text();
        self.observe(What::Over { session });
    }

    /// The edge itself has answered.
    fn answered(
        &mut self,
        task: &Task,
        status: u16,
        headers: &[(&'static str, String)],
        body: &str,
    ) {
        match (status, task.cookie) {
            (204, Some(token)) => {
                if task.wish == Wish::SignOutEverywhere {
                    self.over_everywhere(task.browser);
                }
                if token.least_version.0 > 0 {
                    self.over(token.handle);
                }
            }
            (401, Some(token)) if !task.thief => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let reason = body["code"].as_str().unwrap_or_default().to_owned();
                let is_excused = reason == "session_rotated"
                    || (reason == "session_expired"
                        && self.now >= (token.created.0 + ABSOLUTE_S) * 1000);
                if !is_excused {
                    self.observe(What::Refused {
                        browser: task.browser,
                        sent: task.sent,
                        session: token.handle.to_text(),
                        reason,
                    });
                }
            }
            _ => {}
        }
        if !task.thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
    }

    /// All sessions that were this browser's user's when it was revoked.
    fn over_everywhere(&mut self, browser: usize) {
        let user = format!("u{browser}");
        let Some(tag) = self.keys.user_tags(&user).next() else {
            return;
        };
        let subject = Subject::User(tag).to_text();
        let mine: BTreeSet<String> = self
            .rows
            .keys()
            .filter_map(|name| match self.stands(name) {
                Some(Entry::Live(record)) => record
                    .identity
                    .filter(|who| who.user == user)
                    .filter(|_| self.directory.revoked_since(&subject, record.user_epoch.0))
                    .map(|_| record.handle.to_text()),
                _ => None,
            })
            .collect();
        for session in mine {
            self.observe(What::Over { session });
        }
    }

    // ---- the outside

    fn take_effect(&mut self, task: u64, need: Need, writes: Vec<Write>, attempt: u32) {
        let Some((place, age)) = self.tasks.get(&task).map(|task| (task.isolate, task.age)) else {
            return;
        };
        let location = self.isolates[place].location;
        let answer = match &need {
            Need::Read { key, .. } => {
                let found = if self.chance(self.weather.reads) {
                    Found::Unavailable
                } else {
                    self.namespace.get(location, key, self.now)
                };
                Reply::Found(key.clone(), found)
            }
            Need::List { prefix } => {
                let found = if self.chance(self.weather.reads) {
                    Found::Unavailable
                } else {
                    let names = self.namespace.list(location, prefix, self.now);
                    Found::Bytes(names.join("\n").into_bytes())
                };
                Reply::Found(prefix.clone(), found)
            }
            Need::Call {
                class,
                name,
                command,
                key,
            } => {
                let fails = self.chance(self.weather.calls);
                let applied = !fails || self.chance(500);
                let reply = applied.then(|| self.call(*class, name, command));
                match reply.flatten().filter(|_| !fails) {
                    Some(bytes) => Reply::Found(key.clone(), Found::Bytes(bytes)),
                    None if attempt < 2 => {
                        let again = Event::Effect {
                            task,
                            need,
                            writes,
                            attempt: attempt + 1,
                        };
                        return self.schedule(600, again);
                    }
                    None => Reply::Found(key.clone(), Found::Unavailable),
                }
            }
            Need::Body { .. } => {
                let body = br#"{"everywhere":true}"#.to_vec();
                if let Some(task) = self.tasks.get_mut(&task) {
                    task.answers.set_body(crate::store::Body::Bytes(body));
                    task.lacking -= 1;
                }
                return self.schedule(5, Event::Go { task });
            }
            Need::Store => {
                if let Some(at) = self.turn(place, age, &writes) {
                    let later = Event::Effect {
                        task,
                        need,
                        writes,
                        attempt,
                    };
                    return self.schedule_at(at, later);
                }
                let acknowledged = writes.iter().all(|write| self.write(place, write));
                Reply::Written(acknowledged)
            }
        };
        self.schedule(60, Event::Answer { task, answer });
    }

    /// Until when durable writes have to wait for their turn.
    fn turn(&mut self, place: usize, age: u64, writes: &[Write]) -> Option<u64> {
        let isolate = &mut self.isolates[place];
        if isolate.age != age {
            return None;
        }
        let mut at = 0;
        for write in writes {
            // An older value must not come after.
            isolate.waiting.remove(&write.key);
            let last = isolate
                .written
                .get(&write.key)
                .map_or(0, |last| last + 1_000);
            at = at.max(last);
        }
        (at > self.now).then_some(at)
    }

    fn store_later(&mut self, place: usize) {
        let age = self.isolates[place].age;
        for write in self.isolates[place].gateway.take_writes() {
            let key = write.key.clone();
            self.isolates[place].waiting.insert(key.clone(), write);
            self.schedule(
                20,
                Event::Put {
                    isolate: place,
                    age,
                    key,
                },
            );
        }
    }

    fn put(&mut self, place: usize, age: u64, key: &str) {
        let now = self.now;
        let isolate = &mut self.isolates[place];
        if isolate.age != age || !isolate.waiting.contains_key(key) {
            return;
        }
        let free = isolate.written.get(key).map_or(0, |last| last + 1_000);
        if free > now {
            let key = key.to_owned();
            return self.schedule_at(
                free,
                Event::Put {
                    isolate: place,
                    age,
                    key,
                },
            );
        }
        if let Some(write) = isolate.waiting.remove(key) {
            self.write(place, &write);
        }
    }

    fn write(&mut self, writer: usize, write: &Write) -> bool {
        let key = write.key.clone();
        if writer < self.isolates.len() {
            self.isolates[writer].written.insert(key.clone(), self.now);
        }
        // A new isolate in the same place does not know what the one before it wrote.
        let age = self.isolates.get(writer).map_or(0, |isolate| isolate.age);
        let writer = writer * 1_000 + usize::try_from(age).unwrap();
        self.observe(What::Put { key, writer });
        let fails = self.chance(self.weather.writes);
        if !fails || self.chance(500) {
            let value = write.value.clone();
            self.namespace
                .put(&write.key, value, self.now, &mut self.random);
        }
        !fails
    }

    fn call(&mut self, class: Class, name: &str, command: &str) -> Option<Vec<u8>> {
        match class {
            Class::Session => self.command(name, command),
            Class::Directory => Some(self.direct(command)),
        }
    }

    fn direct(&mut self, command: &str) -> Vec<u8> {
        if self.planted == Some(Planted::Deaf) && command.contains("\"feed\"") {
            return br#"{"epoch":0,"revoked":[]}"#.to_vec();
        }
        let (answer, _) = self.directory.obey(command, UnixMillis(self.now));
        answer
    }

    fn command(&mut self, name: &str, command: &str) -> Option<Vec<u8>> {
        let (tenant, handle) = parse_object_name(name)?;
        let command = Command::parse(command)?;
        let mut random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        let mut ledger = Ledger {
            tenant: &tenant,
            handle,
            keys: &self.keys,
            random: &mut random,
            now: UnixMillis(self.now),
        };
        let mut row = self.rows.get(name).map(Vec::as_slice);
        let begins = matches!(&command.order, Order::Change(changing) if changing.begin.is_some());
        if self.planted == Some(Planted::Amnesia) && begins {
            row = None;
        }
        let verdict = ledger.command(&command, row).ok()?;
        let mut reply = verdict.reply;
        if let Some(row) = verdict.row {
            let forgets = self.planted == Some(Planted::Forgets) && self.chance(100);
            if !forgets {
                self.rows.insert(name.to_owned(), row);
            }
            if verdict.wait && !forgets {
                // The announcement, which the answer waits for.
                reply.unannounced = !self.errand(name);
                assert!(matches!(reply.is, Is::Ended | Is::Live));
            }
            let name = name.to_owned();
            self.schedule(30, Event::Errand { name });
        }
        Some(reply.to_bytes())
    }

    fn run_errand(&mut self, name: &str) {
        if self.errand(name) {
            let name = name.to_owned();
            self.schedule(50, Event::Errand { name });
        }
    }

    /// Runs an object's next errand; whether it is done and there may be more. The object may be
    /// evicted before it knows that it is done.
    fn errand(&mut self, name: &str) -> bool {
        let (tenant, handle) = parse_object_name(name).unwrap();
        let Some(row) = self.rows.get(name).cloned() else {
            return false;
        };
        let now = UnixMillis(self.now);
        let (errand, running) = errand::next(&tenant, handle, &row, now).unwrap();
        let fails = self.chance(self.weather.calls);
        let applied = !fails || self.chance(500);
        let done = match errand {
            Errand::Sleep(until) => {
                // Beyond that nothing more happens in a run.
                if until.0 < self.now + 120_000 {
                    let name = name.to_owned();
                    self.schedule_at(until.0, Event::Errand { name });
                }
                return false;
            }
            Errand::Forget => {
                self.rows.remove(name);
                return false;
            }
            Errand::Write(write) => self.write(usize::MAX / 2_000, &write),
            Errand::Directory(command) => {
                if applied {
                    self.direct(&command);
                }
                !fails
            }
        };
        if self.chance(self.weather.deaths) {
            // The alarm takes it up again.
            let resumed = errand::resumed(&row, now).unwrap();
            self.rows.insert(name.to_owned(), resumed);
            let name = name.to_owned();
            self.schedule_at(self.now + 3_000, Event::Errand { name });
            return false;
        }
        let after = errand::done(&row, running.unwrap(), done, now).unwrap();
        self.rows.insert(name.to_owned(), after);
        if !done {
            let name = name.to_owned();
            self.schedule_at(self.now + 1_000, Event::Errand { name });
        }
        done
    }

    // ---- the end

    fn stands(&self, name: &str) -> Option<Entry> {
        let (tenant, handle) = parse_object_name(name)?;
        let mut random = ChaCha20Rng::seed_from_u64(0);
        let mut ledger = Ledger {
            tenant: &tenant,
            handle,
            keys: &self.keys,
            random: &mut random,
            now: UnixMillis(self.now),
        };
        let read = r#"{"idle":1,"absolute":1,"remember":1,"order":{"do":"read"}}"#;
        let row = self.rows.get(name).map(Vec::as_slice);
        let verdict = ledger.command(&Command::parse(read)?, row).ok()?;
        let record = RecordName::derive(&self.tenant, handle);
        codec::open(&verdict.reply.sealed, &record, &self.keys).ok()
    }

    /// What every session has come to, for the checker.
    fn rest(&mut self) {
        let names: Vec<String> = self.rows.keys().cloned().collect();
        for name in names {
            if let Some(Entry::Live(record)) = self.stands(&name) {
                let data: Value = serde_json::from_str(record.data.to_json()).unwrap();
                self.observe(What::Rests {
                    session: record.handle.to_text(),
                    marks: marks(&data),
                });
            }
        }
    }
}

fn marks(data: &Value) -> BTreeSet<Mark> {
    let members = data.as_object().into_iter().flatten();
    members
        .filter_map(|(name, _)| name.strip_prefix('m')?.parse().ok())
        .collect()
}
