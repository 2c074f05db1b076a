//! Runs the object of one session: decides which call waits for what, which outbox item runs, and when the alarm is
//! set.
//!
//! Sans-IO: each input returns [`Action`]s. The Worker and the simulation perform them in order and decide nothing.
//! They await nothing between two actions, so no other input comes between reading the row and storing it.

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

/// Maximum time for one outbox item, in milliseconds.
pub(crate) const ITEM_DEADLINE_MS: u32 = 5_000;

/// Time after a change at which an alarm checks the outbox, in case the object dies, in milliseconds.
const RESUME_AFTER_MS: u64 = 3_000;

/// Time after which an outbox that this release cannot read is checked again, in milliseconds.
const UNREADABLE_AFTER_MS: u64 = 60_000;

/// Id of one call of the object in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId(pub u64);

/// Outbox item: an effect outside the object, which stays in the row until done.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Store a value in the namespace.
    Store(Write),
    /// Send a command to the tenant's directory object.
    Directory {
        /// Tenant of the directory object.
        tenant: TenantId,
        /// Serialized command.
        command: String,
    },
}

/// Effect for the runtime to perform.
#[derive(Clone, PartialEq)]
pub(crate) enum Action {
    /// Store the object's name, together with the first row, because an alarm does not provide it.
    StoreName(String),
    /// Store the row.
    StoreRow(Vec<u8>),
    /// Set the alarm and replace the previous one.
    SetAlarm(UnixMillis),
    /// Delete all stored data, including the alarm.
    DeleteAll,
    /// Perform this item, then call [`SessionObject::item_done`].
    Run(Item),
    /// Send this request to the identity provider, then call [`SessionObject::provider_answered`].
    Fetch(Outbound),
    /// Perform these needs, then call [`SessionObject::needs_performed`].
    Perform(Vec<Need>),
    /// Reply to a call, once everything stored before is durable.
    Reply(CallId, Vec<u8>),
    /// Return from the alarm handler of this call.
    AlarmDone(CallId),
    /// Log an event.
    Log(Event),
}

/// Parameters of each step.
pub(crate) struct Context<'a, R> {
    /// Keys of the tenant.
    pub keys: &'a KeyRing,
    /// Cryptographic random source.
    pub random: &'a mut R,
    /// Current time.
    pub now: UnixMillis,
}

/// Refresh in progress, with the calls that wait for it.
struct Refresh {
    command: Command,
    sent: Outbound,
    /// Status and body of the provider's response.
    response: Option<(u16, String)>,
    answers: Answers,
    calls: Vec<CallId>,
}

/// In-memory state of the object of one session. The row holds all that must survive.
#[derive(Default)]
pub(crate) struct SessionObject {
    name: Option<(TenantId, Handle)>,
    row: Option<Vec<u8>>,
    /// Time of the alarm, as far as this instance has set it.
    alarm_at: Option<UnixMillis>,
    running: Option<Running>,
    refresh: Option<Refresh>,
    /// Replies that wait for the announcement of the end or new id.
    unannounced: Vec<(CallId, Reply)>,
    /// Alarm handlers that return once the outbox is idle. If the object dies earlier, the platform calls the handler
    /// again.
    alarms: Vec<CallId>,
}

impl SessionObject {
    /// Restores the object from storage.
    #[must_use]
    pub(crate) fn restored(name: Option<&str>, row: Option<Vec<u8>>, now: UnixMillis) -> Self {
        Self {
            name: name.and_then(parse_object_name),
            row: row.map(|row| outbox::resumed(&row, now).unwrap_or(row)),
            ..Self::default()
        }
    }

    /// Applies a command.
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
            None => self.finish(vec![call], verdict, context.now),
        }
    }

    /// Refuses a call whose tenant has no keys here.
    #[must_use]
    pub(crate) fn refuse(call: CallId) -> Vec<Action> {
        unreadable([call])
    }

    /// Handles the identity provider's response; a status of 0 means none.
    pub(crate) fn provider_answered<R: Rng>(
        &mut self,
        status: u16,
        body: String,
        context: &mut Context<'_, R>,
    ) -> Vec<Action> {
        if let Some(refresh) = &mut self.refresh {
            refresh.response = Some((status, body));
        }
        self.decide_refresh(context)
    }

    /// Handles the results of the needs, each with the time of its request.
    pub(crate) fn needs_performed<R: Rng>(
        &mut self,
        found: impl IntoIterator<Item = (String, Found, UnixMillis)>,
        context: &mut Context<'_, R>,
    ) -> Vec<Action> {
        if let Some(refresh) = &mut self.refresh {
            for (key, found, asked) in found {
                refresh.answers.add(&key, found, asked);
            }
        }
        self.decide_refresh(context)
    }

    /// Handles the end of an outbox item.
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

    /// Handles the alarm.
    pub(crate) fn alarm(&mut self, call: CallId, now: UnixMillis) -> Vec<Action> {
        let mut actions = Vec::new();
        self.alarm_at = None;
        self.alarms.push(call);
        if self.row.is_none() {
            // The object died after storing its name and before its first row.
            actions.push(Action::DeleteAll);
        }
        self.run(now, &mut actions);
        actions
    }

    /// Sends a request to the identity provider, or joins the one in progress.
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
                response: None,
                answers: Answers::default(),
                calls: vec![call],
            });
        }
        actions
    }

    /// Decides on the identity provider's response.
    fn decide_refresh<R: Rng>(&mut self, context: &mut Context<'_, R>) -> Vec<Action> {
        let Some(refresh) = self.refresh.take() else {
            return Vec::new();
        };
        let verdict = match (&self.name, &refresh.response) {
            (Some((tenant, handle)), Some((status, body))) => {
                let response = effect::Reply {
                    status: *status,
                    body,
                };
                let row = self.row.as_deref().unwrap_or_default();
                executor(tenant, *handle, context).refreshed(
                    &refresh.command,
                    row,
                    &refresh.sent,
                    &response,
                    &refresh.answers,
                )
            }
            _ => Err(BadRow::NotRenewing),
        };
        match verdict {
            Ok(Verdict { needs, .. }) if !needs.is_empty() => {
                self.refresh = Some(refresh);
                vec![Action::Perform(needs)]
            }
            Ok(verdict) => self.finish(refresh.calls, verdict, context.now),
            Err(_) => unreadable(refresh.calls),
        }
    }

    /// Stores the result of a command, starts outbox work, and replies.
    fn finish(&mut self, calls: Vec<CallId>, verdict: Verdict, now: UnixMillis) -> Vec<Action> {
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

    /// Sets the alarm before it stores a row with outbox work. Performed actions survive a trap of the instance, so in
    /// this order no stored work is left without an alarm.
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

    /// Sets the alarm unless an earlier one is set. A session that changes often thus writes its alarm rarely.
    fn wake_at(&mut self, at: UnixMillis, actions: &mut Vec<Action>) {
        if self.alarm_at.is_none_or(|set| at < set) {
            self.alarm_at = Some(at);
            actions.push(Action::SetAlarm(at));
        }
    }

    /// Starts the next outbox item; one runs at a time.
    fn run(&mut self, now: UnixMillis, actions: &mut Vec<Action>) {
        if self.running.is_some() && holds(Rule::OneItemAtATime) {
            return;
        }
        if let (Some((tenant, handle)), Some(row)) = (&self.name, &self.row) {
            match outbox::next(tenant, *handle, row, now) {
                Ok((OutboxItem::Directory(command), Some(running))) => {
                    let tenant = tenant.clone();
                    return self.begin(running, Item::Directory { tenant, command }, actions);
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
                // A row of a later release is left unchanged.
                Ok(_) | Err(_) => {
                    self.wake_at(UnixMillis(now.0 + UNREADABLE_AFTER_MS), actions);
                }
            }
        }
        self.rest(actions);
    }

    fn begin(&mut self, running: Running, item: Item, actions: &mut Vec<Action>) {
        // Announcements come first, so none is pending now.
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

    /// Sends the replies that wait for an announcement.
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
