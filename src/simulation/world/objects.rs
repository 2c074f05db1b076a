//! Simulates the sessions' objects: their storage, actions and deaths.

use super::*;
use crate::session_object::command;
use crate::session_object::object::Item;
use crate::store::retry::Cause;

/// Writer number of all objects; each key has only one of them.
const OBJECTS: u64 = 0;

/// Maximum times of an outbox item and of an identity provider, in milliseconds. A caller that waits for two items and
/// a provider still gets its answer in time.
const ITEM_MS: u64 = 400;
pub(super) const PROVIDER_MS: u64 = 800;

/// Time beyond which alarms are not scheduled, because the run is over by then, in milliseconds.
pub(super) const HORIZON_MS: u64 = 120_000;

/// Time after which the platform repeats an alarm handler that did not return, in milliseconds.
const HANDLER_AGAIN_MS: u64 = 2_000;

/// Object with its storage, and its memory while it lives.
#[derive(Default)]
pub(super) struct Object {
    name: Option<String>,
    pub(super) row: Option<Vec<u8>>,
    pub(super) alarm: Option<u64>,
    memory: Option<SessionObject>,
    /// Number of its life; work of earlier lives is lost.
    pub(super) life: u64,
    /// Time of the alarm set in this life.
    set: Option<u64>,
    /// Alarm handler in progress.
    handler: Option<CallId>,
    /// Unanswered calls.
    calls: Vec<CallId>,
    is_running: bool,
    pub(super) is_asking: bool,
    /// Time of an outbox item's failure, unless urgent work came since.
    failed_at: Option<u64>,
}

/// Receiver of an object's answer.
pub(super) enum Caller {
    /// Driver in an isolate; the answer may get lost.
    Driver { driver: u64, is_lost: bool },
    /// The directory object, which ends a session.
    Surplus(Surplus),
    /// Client that takes or extends a lease.
    Lease(String, Option<u64>),
    /// Client that releases a lease.
    Release(String, u64),
    /// Client that will change the version it reads now.
    Compare(String),
    /// Receiver that does not check the answer.
    Nobody,
}

impl World {
    /// Sends a command to an object.
    pub(super) fn call(&mut self, caller: Caller, name: &str, command: &str) {
        let call = self.new_call();
        self.calls.insert(call, caller);
        let late = Event::Late {
            name: name.to_owned(),
            call,
        };
        self.schedule_at(self.now + u64::from(CALL_DEADLINE_MS), late);
        let changing = match Command::parse(command).unwrap().order {
            Operation::Change(changing) => Some(changing),
            _ => None,
        };
        let begins = changing
            .as_ref()
            .is_some_and(|changing| changing.begin.is_some());
        let mut is_urgent = false;
        if changing
            .as_ref()
            .is_some_and(|changing| changing.change.end)
        {
            self.ending_calls.insert(call);
            is_urgent = true;
        }
        self.objects.entry(name.to_owned()).or_default();
        let is_forgotten = self.injected == Some(InjectedBug::RestartsSession) && begins;
        if is_forgotten {
            self.kill(name);
        }
        let mut random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        let now = UnixMillis(self.now);
        let object = self.objects.get_mut(name).unwrap();
        object.calls.push(call);
        if is_urgent {
            object.failed_at = None;
        }
        // An alarm that was too far ahead to be scheduled may now be due.
        let alarm = object.alarm;
        if is_forgotten {
            object.memory = Some(SessionObject::default());
        }
        let mut context = Context {
            keys: &self.keys,
            random: &mut random,
            now,
        };
        let actions = object.live(now).command(call, name, command, &mut context);
        if let Some(at) = alarm {
            self.schedule_alarm(name, at);
        }
        let judged = changing.map(|changing| (changing.once, self.judge(name, &changing)));
        let before = self.sealed(name);
        self.perform(name, actions);
        let is_applied = self.sealed(name) != before;
        if let Some((once, broken)) = judged.filter(|_| is_applied) {
            self.see_change(name, once, broken);
        }
    }

    fn new_call(&mut self) -> CallId {
        self.next_call += 1;
        CallId(self.next_call)
    }

    /// Performs an object's actions. Stored data is durable before a later action takes effect.
    pub(super) fn perform(&mut self, name: &str, actions: Vec<Action>) {
        let forgets = self.injected == Some(InjectedBug::LosesChanges) && self.chance(100);
        let session = || name.to_owned();
        let mut replies = Vec::new();
        let mut actions = actions;
        let dies = self.chance(self.rates.deaths);
        // A trap may occur between two actions.
        if dies && self.chance(500) {
            let performed = usize::try_from(self.below(actions.len() as u64 + 1)).unwrap();
            actions.truncate(performed);
        }
        for action in actions {
            let object = self.objects.get_mut(name).unwrap();
            match action {
                Action::StoreName(stored) => object.name = Some(stored),
                Action::StoreRow(row) => {
                    if !forgets {
                        object.row = Some(row.clone());
                    }
                    if self.see_row(name, &row) {
                        self.objects.get_mut(name).unwrap().failed_at = None;
                    }
                }
                Action::DeleteAll => {
                    object.name = None;
                    object.row = None;
                    object.alarm = None;
                    object.set = None;
                    self.seen.remove(name);
                }
                Action::SetAlarm(at) => {
                    let is_needless = object.set.is_some_and(|set| set <= at.0);
                    object.set = Some(at.0);
                    object.alarm = Some(at.0);
                    if is_needless {
                        self.broken(
                            "an alarm is set that an earlier one makes needless",
                            session(),
                        );
                    }
                    self.schedule_alarm(name, at.0);
                }
                Action::Run(item) => {
                    let is_second = core::mem::replace(&mut object.is_running, true);
                    let failed_at = object.failed_at.take();
                    if failed_at.is_some_and(|at| self.now < at + 1_000) {
                        self.broken("an outbox item is tried again without a pause", session());
                    }
                    if is_second {
                        self.broken("two outbox items run at a time", session());
                    }
                    self.run_item(name, item);
                }
                Action::Fetch(_) => {
                    let is_second = core::mem::replace(&mut object.is_asking, true);
                    let life = object.life;
                    if is_second {
                        self.broken("a provider is asked twice at a time", session());
                    }
                    let name = name.to_owned();
                    self.schedule(PROVIDER_MS, Event::ProviderAnswer { name, life });
                }
                Action::Reply(call, bytes) => {
                    self.see_reply(name, call, &bytes);
                    replies.push((call, bytes));
                }
                Action::AlarmDone(_) => object.handler = None,
                Action::Perform(_) | Action::Log(_) => panic!("nothing here leads to that"),
            }
        }
        if forgets || dies {
            // The answers may have left already.
            if forgets || self.chance(500) {
                self.answer_calls(name, replies);
            }
            self.kill(name);
        } else {
            self.answer_calls(name, replies);
        }
    }

    pub(super) fn broken(&mut self, rule: &'static str, session: String) {
        self.observe(What::Broken { rule, session });
    }

    fn answer_calls(&mut self, name: &str, replies: Vec<(CallId, Vec<u8>)>) {
        for (call, bytes) in replies {
            let object = self.objects.get_mut(name).unwrap();
            object.calls.retain(|other| *other != call);
            if let Some(caller) = self.calls.remove(&call) {
                self.answer_call(caller, bytes);
            }
        }
    }

    fn answer_call(&mut self, caller: Caller, bytes: Vec<u8>) {
        match caller {
            Caller::Driver { is_lost: true, .. } => self.unanswered(&caller),
            Caller::Driver { driver, .. } => {
                let heard = Ok(Found::Bytes(bytes));
                self.schedule(60, Event::Heard { driver, heard });
            }
            Caller::Surplus(surplus) => {
                let reply = command::Reply::parse(&bytes).unwrap();
                if reply.is == Status::Ended && !reply.unannounced {
                    self.ended(&surplus.session);
                }
            }
            Caller::Lease(session, token) => {
                let reply = command::Reply::parse(&bytes).unwrap();
                if let (Status::Live, Some((given, until))) = (reply.is, reply.lease) {
                    self.lease_given(&session, token, (given, until.0), reply.exclusive);
                }
            }
            Caller::Release(session, token) => self.released(&session, token),
            Caller::Compare(session) => {
                let reply = command::Reply::parse(&bytes).unwrap();
                self.compared(session, &reply.sealed);
            }
            Caller::Nobody => {}
        }
    }

    /// Fails a call. Some failing objects report overload.
    pub(super) fn unanswered(&mut self, caller: &Caller) {
        let Caller::Driver { driver, .. } = *caller else {
            return;
        };
        let heard = Err(match self.below(4) {
            0 => Cause::Overloaded,
            _ => Cause::Other,
        });
        self.schedule(60, Event::Heard { driver, heard });
    }

    /// Ends a call at its deadline, which live objects never reach.
    pub(super) fn late(&mut self, name: &str, call: CallId) {
        if let Some(caller) = self.calls.remove(&call) {
            self.broken("an object leaves a call without an answer", name.to_owned());
            self.unanswered(&caller);
        }
    }

    /// Evicts an object or traps its instance: callers of its work in progress get errors.
    fn kill(&mut self, name: &str) {
        let object = self.objects.get_mut(name).unwrap();
        object.memory = None;
        object.life += 1;
        object.set = None;
        object.is_running = false;
        object.is_asking = false;
        // The unstored note of a failure is lost.
        object.failed_at = None;
        let again = object.handler.take().is_some();
        for call in core::mem::take(&mut object.calls) {
            if let Some(caller) = self.calls.remove(&call) {
                self.unanswered(&caller);
            }
        }
        if again {
            let at = self.now + HANDLER_AGAIN_MS;
            let object = self.objects.get_mut(name).unwrap();
            let at = object.alarm.map_or(at, |alarm| alarm.min(at));
            object.alarm = Some(at);
            self.schedule_alarm(name, at);
        }
    }

    fn run_item(&mut self, name: &str, item: Item) {
        let fails = self.chance(self.rates.calls);
        let succeeded = match item {
            Item::Store(write) => self.put(OBJECTS, &write),
            Item::Directory { tenant, command } => {
                assert_eq!(tenant, self.tenant);
                if !fails || self.chance(500) {
                    self.direct(&command);
                }
                !fails
            }
        };
        let life = self.objects[name].life;
        let name = name.to_owned();
        let done = Event::ItemDone {
            name,
            life,
            succeeded,
        };
        let takes = match self.below(4) {
            0 => ITEM_MS,
            _ => 50,
        };
        self.schedule(takes, done);
    }

    pub(super) fn item_done(&mut self, name: &str, life: u64, succeeded: bool) {
        let now = UnixMillis(self.now);
        let object = self.objects.get_mut(name).unwrap();
        if object.life != life {
            return;
        }
        object.is_running = false;
        if !succeeded {
            object.failed_at = Some(now.0);
        }
        let actions = object.live(now).item_done(succeeded, now);
        self.perform(name, actions);
    }

    pub(super) fn schedule_alarm(&mut self, name: &str, at: u64) {
        if at < self.now.saturating_add(self.horizon_ms) {
            let name = name.to_owned();
            self.schedule_at(at.max(self.now), Event::Alarm { name, at });
        }
    }

    pub(super) fn alarm(&mut self, name: &str, at: u64) {
        let call = self.new_call();
        let now = UnixMillis(self.now);
        let object = self.objects.get_mut(name).unwrap();
        if object.alarm != Some(at) {
            return;
        }
        if object.handler.is_some() {
            // Handlers run one after the other.
            let name = name.to_owned();
            return self.schedule_at(self.now + 100, Event::Alarm { name, at });
        }
        object.alarm = None;
        object.set = None;
        object.handler = Some(call);
        let actions = object.live(now).alarm(call, now);
        self.perform(name, actions);
    }

    /// Ends a surplus session; its holder may find it over from now on.
    pub(super) fn end_surplus(&mut self, surplus: Surplus) {
        let fails = self.chance(self.rates.calls);
        if fails && !self.chance(500) {
            return;
        }
        for browser in 0..self.browsers.len() {
            let session = Some(surplus.session.clone());
            self.observe(What::Ending { browser, session });
        }
        let (name, command) = (surplus.object.clone(), surplus.command.clone());
        self.call(Caller::Surplus(surplus), &name, &command);
    }
}

impl Object {
    pub(super) fn live(&mut self, now: UnixMillis) -> &mut SessionObject {
        let (name, row) = (self.name.as_deref(), &self.row);
        self.memory
            .get_or_insert_with(|| SessionObject::restored(name, row.clone(), now))
    }
}
