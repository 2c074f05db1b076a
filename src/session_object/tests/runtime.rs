//! Runs the object's actions over a row and an alarm, as the Worker's runtime does.

use super::refresh::signed_in_change;
use super::*;
use crate::session_object::object::{Action, CallId, Context, Item, SessionObject};

/// Object with its storage.
pub(super) struct Runtime {
    pub(super) object: SessionObject,
    pub(super) name: Option<String>,
    pub(super) row: Option<Vec<u8>>,
    pub(super) alarm: Option<UnixMillis>,
    pub(super) now: UnixMillis,
    pub(super) calls: u64,
}

/// Action that remains after the storage actions.
#[derive(Debug, PartialEq)]
pub(super) enum Does {
    Stores,
    Directory(String),
    Fetches,
    Replies(CallId, Status, Announced),
    ReturnsFromAlarm(CallId),
    Deletes,
}

#[derive(Debug, PartialEq)]
pub(super) enum Announced {
    Yes,
    Not,
}

use Announced::{Not, Yes};

impl Runtime {
    pub(super) fn new() -> Self {
        Self {
            object: SessionObject::default(),
            name: None,
            row: None,
            alarm: None,
            now: NOW,
            calls: 0,
        }
    }

    /// Kills the object; its storage stays.
    pub(super) fn dies(&mut self) {
        self.object = SessionObject::restored(self.name.as_deref(), self.row.clone(), self.now);
    }

    pub(super) fn call(&mut self, command: &Command) -> (CallId, Vec<Does>) {
        self.call_text(&command.to_text())
    }

    pub(super) fn call_text(&mut self, command: &str) -> (CallId, Vec<Does>) {
        self.calls += 1;
        let call = CallId(self.calls);
        let name = object_name();
        let actions = self.step(|object, context| object.command(call, &name, command, context));
        (call, self.perform(actions))
    }

    pub(super) fn change(&mut self, changing: UpdateCommand) -> (CallId, Vec<Does>) {
        self.call(&command(Operation::Change(Box::new(changing))))
    }

    pub(super) fn item_done(&mut self, succeeded: bool) -> Vec<Does> {
        let actions = self.object.item_done(succeeded, self.now);
        self.perform(actions)
    }

    pub(super) fn provider_answers(&mut self, status: u16, body: &str) -> Vec<Does> {
        let actions =
            self.step(|object, context| object.provider_answered(status, body.to_owned(), context));
        self.perform(actions)
    }

    pub(super) fn alarm_comes(&mut self) -> (CallId, Vec<Does>) {
        self.now = self.alarm.take().unwrap();
        self.calls += 1;
        let call = CallId(self.calls);
        let actions = self.object.alarm(call, self.now);
        (call, self.perform(actions))
    }

    pub(super) fn step(
        &mut self,
        act: impl FnOnce(&mut SessionObject, &mut Context<'_, ChaCha20Rng>) -> Vec<Action>,
    ) -> Vec<Action> {
        let mut context = Context {
            keys: &keys(&tenant()),
            random: &mut ChaCha20Rng::seed_from_u64(self.now.0),
            now: self.now,
        };
        act(&mut self.object, &mut context)
    }

    pub(super) fn perform(&mut self, actions: Vec<Action>) -> Vec<Does> {
        let mut does = Vec::new();
        for action in actions {
            match action {
                Action::StoreName(name) => self.name = Some(name),
                Action::StoreRow(row) => self.row = Some(row),
                Action::SetAlarm(at) => self.alarm = Some(at),
                Action::DeleteAll => {
                    (self.name, self.row, self.alarm) = (None, None, None);
                    does.push(Does::Deletes);
                }
                Action::Run(Item::Store(_)) => does.push(Does::Stores),
                Action::Run(Item::Directory { command, .. }) => {
                    let command: serde_json::Value = serde_json::from_str(&command).unwrap();
                    does.push(Does::Directory(command["do"].as_str().unwrap().to_owned()));
                }
                Action::Fetch(_) => does.push(Does::Fetches),
                Action::Reply(call, bytes) => {
                    let reply = Reply::parse(&bytes).unwrap();
                    let announced = if reply.unannounced { Not } else { Yes };
                    does.push(Does::Replies(call, reply.is, announced));
                }
                Action::AlarmDone(call) => does.push(Does::ReturnsFromAlarm(call)),
                Action::Log(event) => assert_eq!(event.name(), "object_unreadable"),
                Action::Perform(needs) => panic!("{needs:?}"),
            }
        }
        does
    }

    /// Advances the time and fires the alarms on the way.
    pub(super) fn wait(&mut self, ms: u64) {
        let until = UnixMillis(self.now.0 + ms);
        while self.alarm.is_some_and(|at| at <= until) {
            let (_, does) = self.alarm_comes();
            self.drain_outbox(does);
        }
        self.now = until;
    }

    /// Performs items until the outbox is idle.
    pub(super) fn drain_outbox(&mut self, mut does: Vec<Does>) {
        while matches!(does.last(), Some(Does::Stores | Does::Directory(_))) {
            does = self.item_done(true);
        }
    }
}

pub(super) fn object_name() -> String {
    command::object_name(&tenant(), HANDLE)
}

pub(super) fn directory(command: &str) -> Does {
    Does::Directory(command.to_owned())
}

/// Creates an object with a session and an idle outbox, and advances a minute.
pub(super) fn stored() -> Runtime {
    let mut runtime = Runtime::new();
    let (_, does) = runtime.change(patch(r#"{"a":1}"#, 1));
    runtime.drain_outbox(does);
    runtime.wait(60_000);
    runtime
}

/// Creates such an object with expired tokens.
pub(super) fn with_old_tokens() -> Runtime {
    let mut runtime = Runtime::new();
    let (_, does) = runtime.change(signed_in_change());
    runtime.drain_outbox(does);
    runtime.wait(400_000);
    runtime
}
