//! Runs the object of one session: which call waits for what, which outbox item is under way, when the
//! alarm is set.
//!
//! Sans-IO: each input returns the [`Action`]s that follow from it. The Worker and the simulation perform
//! them in their order and decide nothing. Nothing is awaited between two actions, so no other input
//! comes between reading the row and storing it.

use chacha20::rand_core::Rng;

use super::command::{Command, Reply, Status, object_name, parse_object_name};
use super::outbox::{self, Kind, OutboxItem, Running};
use super::{BadRow, Executor, Verdict};
use crate::clock::UnixMillis;
use crate::effect::{self, Answers, Found, Need, Outbound, Write};
use crate::keys::KeyRing;
use crate::rule::{Rule, holds};
use crate::session::id::Handle;
use crate::telemetry::log::{Event, Level};
use crate::tenant_id::TenantId;

/// Maximum time that one outbox item may take.
pub(crate) const ITEM_DEADLINE_MS: u32 = 5_000;

/// Time after a change at which an alarm looks at the outbox, should the object die before that.
const RESUME_AFTER_MS: u64 = 3_000;

/// Time after which an outbox that this release cannot read is looked at again.
const UNREADABLE_AFTER_MS: u64 = 60_000;

/// Identifies one call of the object while it is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub u64);

/// Something to do outside of the object that is part of the row until it is done.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Store this in the namespace.
    Store(Write),
    /// Send this command to the tenant's directory object.
    Tell {
        /// The directory object's name.
        tenant: TenantId,
        /// The command.
        command: String,
    },
}

/// Something the runtime performs.
#[derive(Clone, PartialEq)]
pub(crate) enum Action {
    /// Store the object's name. Comes with the first row: an alarm does not bring the name along.
    StoreName(String),
    /// Store the row.
    StoreRow(Vec<u8>),
    /// Set the alarm, in place of the one before.
    SetAlarm(UnixMillis),
    /// Delete everything stored, the alarm included.
    DeleteAll,
    /// Perform this item, then call [`SessionObject::item_done`].
    Run(Item),
    /// Ask the identity provider, then call [`SessionObject::provider_answered`].
    Fetch(Outbound),
    /// Meet these needs, then call [`SessionObject::needs_met`].
    Meet(Vec<Need>),
    /// Answer a call. What was stored before must be safe first.
    Reply(CallId, Vec<u8>),
    /// Return from the alarm handler of this call.
    AlarmDone(CallId),
    /// Log this.
    Log(Event),
}

/// What a step decides with.
pub(crate) struct Context<'a, R> {
    /// The tenant's keys.
    pub keys: &'a KeyRing,
    /// A cryptographic random source.
    pub random: &'a mut R,
    /// The time.
    pub now: UnixMillis,
}

/// An identity provider being asked, and who waits for what comes of it.
struct Refresh {
    command: Command,
    sent: Outbound,
    /// Status and body.
    heard: Option<(u16, String)>,
    answers: Answers,
    calls: Vec<CallId>,
}

/// The object of one session, in memory. What must outlive it is in the row.
#[derive(Default)]
pub(crate) struct SessionObject {
    name: Option<(TenantId, Handle)>,
    row: Option<Vec<u8>>,
    /// When the alarm is set for, as far as this object knows.
    alarm_at: Option<UnixMillis>,
    running: Option<Running>,
    refresh: Option<Refresh>,
    /// Calls that are answered once the end, or the new id, is announced.
    unannounced: Vec<(CallId, Reply)>,
    /// Alarm handlers, which return once the outbox is at rest: should the object die before, the
    /// platform calls the handler again.
    alarms: Vec<CallId>,
}

impl SessionObject {
    /// Makes the object from what is stored.
    #[must_use]
    pub(crate) fn restored(name: Option<&str>, row: Option<Vec<u8>>, now: UnixMillis) -> Self {
        Self {
            name: name.and_then(parse_object_name),
            row: row.map(|row| outbox::resumed(&row, now).unwrap_or(row)),
            ..Self::default()
        }
    }

    /// Takes a command.
    pub(crate) fn command<R: Rng>(
        &mut self,
        call: CallId,
        name: &str,
        command: &str,
        context: &mut Context<'_, R>,
    ) -> Vec<Action> {
        let (Some((tenant, handle)), Ok(command)) =
            (parse_object_name(name), Command::parse(command))
        else {
            return unreadable([call]);
        };
        let row = self.row.as_deref();
        let verdict = executor(&tenant, handle, context).command(&command, row);
        let Ok(mut verdict) = verdict else {
            return unreadable([call]);
        };
        if self.name.is_none() && verdict.row.is_some() {
            self.name = Some((tenant, handle));
        }
        match verdict.fetch.take() {
            Some(sent) => self.refresh(call, command, sent, verdict.row, context.now),
            None => self.settle(vec![call], verdict, context.now),
        }
    }

    /// Refuses a call whose tenant has no keys here.
    #[must_use]
    pub(crate) fn refuse(call: CallId) -> Vec<Action> {
        unreadable([call])
    }

    /// Takes what the identity provider answered; a status of 0 stands for no answer.
    pub(crate) fn provider_answered<R: Rng>(
        &mut self,
        status: u16,
        body: String,
        context: &mut Context<'_, R>,
    ) -> Vec<Action> {
        if let Some(refresh) = &mut self.refresh {
            refresh.heard = Some((status, body));
        }
        self.judge(context)
    }

    /// Takes what was found for each of the needs, and when that was asked.
    pub(crate) fn needs_met<R: Rng>(
        &mut self,
        found: impl IntoIterator<Item = (String, Found, UnixMillis)>,
        context: &mut Context<'_, R>,
    ) -> Vec<Action> {
        if let Some(refresh) = &mut self.refresh {
            for (key, found, asked) in found {
                refresh.answers.add(&key, found, asked);
            }
        }
        self.judge(context)
    }

    /// Takes whether the outbox item succeeded.
    pub(crate) fn item_done(&mut self, succeeded: bool, now: UnixMillis) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(running) = self.running.take() else {
            return actions;
        };
        // Commands may have changed the row meanwhile.
        if let Some(row) = &self.row
            && let Ok(row) = outbox::done(row, running, succeeded, now)
        {
            self.store(row, &mut actions);
        }
        if running.kind == Kind::Announce && !succeeded {
            self.announced(false, &mut actions);
        }
        self.run(now, &mut actions);
        actions
    }

    /// Takes the alarm.
    pub(crate) fn alarm(&mut self, call: CallId, now: UnixMillis) -> Vec<Action> {
        let mut actions = Vec::new();
        self.alarm_at = None;
        self.alarms.push(call);
        if self.row.is_none() {
            // An object that died before it stored its first row leaves its name.
            actions.push(Action::DeleteAll);
        }
        self.run(now, &mut actions);
        actions
    }

    /// Asks the identity provider, unless it is being asked: all who come meanwhile get what comes of that.
    fn refresh(
        &mut self,
        call: CallId,
        command: Command,
        sent: Outbound,
        adopted: Option<Vec<u8>>,
        now: UnixMillis,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(row) = adopted {
            self.store_first(row, now, &mut actions);
            self.run(now, &mut actions);
        }
        let asking = self.refresh.as_mut();
        if let Some(refresh) = asking.filter(|_| holds(Rule::OneProviderCall)) {
            refresh.calls.push(call);
        } else {
            actions.push(Action::Fetch(sent.clone()));
            self.refresh = Some(Refresh {
                command,
                sent,
                heard: None,
                answers: Answers::default(),
                calls: vec![call],
            });
        }
        actions
    }

    /// Decides what follows from what the identity provider answered.
    fn judge<R: Rng>(&mut self, context: &mut Context<'_, R>) -> Vec<Action> {
        let Some(refresh) = self.refresh.take() else {
            return Vec::new();
        };
        let verdict = match (&self.name, &refresh.heard) {
            (Some((tenant, handle)), Some((status, body))) => {
                let heard = effect::Reply {
                    status: *status,
                    body,
                };
                let row = self.row.as_deref().unwrap_or_default();
                executor(tenant, *handle, context).refreshed(
                    &refresh.command,
                    row,
                    &refresh.sent,
                    &heard,
                    &refresh.answers,
                )
            }
            _ => Err(BadRow::NotRenewing),
        };
        match verdict {
            Ok(Verdict { needs, .. }) if !needs.is_empty() => {
                self.refresh = Some(refresh);
                vec![Action::Meet(needs)]
            }
            Ok(verdict) => self.settle(refresh.calls, verdict, context.now),
            Err(_) => unreadable(refresh.calls),
        }
    }

    /// Stores what came of a command, sees to what follows from it, and answers.
    fn settle(&mut self, calls: Vec<CallId>, verdict: Verdict, now: UnixMillis) -> Vec<Action> {
        let mut actions: Vec<Action> = verdict.event.map(Action::Log).into_iter().collect();
        let is_due = verdict.row.is_some() || verdict.wait;
        if let Some(row) = verdict.row {
            self.store_first(row, now, &mut actions);
        }
        for call in calls {
            if verdict.wait {
                self.unannounced.push((call, verdict.reply.clone()));
            } else {
                actions.push(Action::Reply(call, verdict.reply.to_bytes()));
            }
        }
        if is_due {
            self.run(now, &mut actions);
        }
        actions
    }

    /// Stores a row that brings something to do, so that it is done even if this object dies. What was performed before
    /// an instance traps stays, so the alarm comes first and the row last.
    fn store_first(&mut self, row: Vec<u8>, now: UnixMillis, actions: &mut Vec<Action>) {
        if holds(Rule::OutboxAlarm) {
            self.wake_at(UnixMillis(now.0 + RESUME_AFTER_MS), actions);
        }
        if self.row.is_none()
            && let Some((tenant, handle)) = &self.name
        {
            actions.push(Action::StoreName(object_name(tenant, *handle)));
        }
        self.store(row, actions);
    }

    fn store(&mut self, row: Vec<u8>, actions: &mut Vec<Action>) {
        self.row = Some(row.clone());
        actions.push(Action::StoreRow(row));
    }

    /// Sets the alarm, unless an earlier one is set: the outbox is looked at again then. So a session that
    /// is changed often does not write its alarm as often.
    fn wake_at(&mut self, at: UnixMillis, actions: &mut Vec<Action>) {
        if self.alarm_at.is_none_or(|set| at < set) {
            self.alarm_at = Some(at);
            actions.push(Action::SetAlarm(at));
        }
    }

    /// Runs the next outbox item; one at a time.
    fn run(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        if self.running.is_some() && holds(Rule::OneItemAtATime) {
            return;
        }
        if let (Some((tenant, handle)), Some(row)) = (&self.name, &self.row) {
            match outbox::next(tenant, *handle, row, now) {
                Ok((OutboxItem::Directory(command), Some(running))) => {
                    let tenant = tenant.clone();
                    return self.begin(running, Item::Tell { tenant, command }, actions);
                }
                Ok((OutboxItem::Write(write), Some(running))) => {
                    return self.begin(running, Item::Store(write), actions);
                }
                Ok((OutboxItem::Sleep(until), _)) => self.wake_at(until, actions),
                Ok((OutboxItem::Forget, _)) => {
                    *self = Self {
                        refresh: self.refresh.take(),
                        unannounced: core::mem::take(&mut self.unannounced),
                        alarms: core::mem::take(&mut self.alarms),
                        ..Self::default()
                    };
                    actions.push(Action::DeleteAll);
                }
                // A row of a newer release is left to it.
                Ok(_) | Err(_) => {
                    self.wake_at(UnixMillis(now.0 + UNREADABLE_AFTER_MS), actions);
                }
            }
        }
        self.rest(actions);
    }

    fn begin(&mut self, running: Running, item: Item, actions: &mut Vec<Action>) {
        // An announcement comes before everything else: there is none left.
        if running.kind != Kind::Announce {
            self.announced(true, actions);
        }
        self.running = Some(running);
        actions.push(Action::Run(item));
    }

    /// Leaves the outbox until the alarm.
    fn rest(&mut self, actions: &mut Vec<Action>) {
        let is_announced = self.row.as_deref().is_none_or(outbox::is_announced);
        self.announced(is_announced, actions);
        let alarms = core::mem::take(&mut self.alarms);
        actions.extend(alarms.into_iter().map(Action::AlarmDone));
    }

    /// Answers those who wait for an announcement.
    fn announced(&mut self, done: bool, actions: &mut Vec<Action>) {
        for (call, mut reply) in core::mem::take(&mut self.unannounced) {
            reply.unannounced = !done;
            actions.push(Action::Reply(call, reply.to_bytes()));
        }
    }
}

fn executor<'a, R: Rng>(
    tenant: &'a TenantId,
    handle: Handle,
    context: &'a mut Context<'_, R>,
) -> Executor<'a, R> {
    Executor {
        tenant,
        handle,
        keys: context.keys,
        random: context.random,
        now: context.now,
    }
}

fn unreadable(calls: impl IntoIterator<Item = CallId>) -> Vec<Action> {
    let mut actions = vec![Action::Log(Event::new(Level::Error, "object_unreadable"))];
    let reply = |call| Action::Reply(call, Reply::is(Status::Unreadable).to_bytes());
    actions.extend(calls.into_iter().map(reply));
    actions
}
