//! Tests the executor alone: commands on a row, and the outbox they leave.

mod lease;
mod object;
mod refresh;
mod refresh_checks;
mod runtime;
mod unreadable;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;

use super::command::{
    Command, InitialState, LeaseCommand, Operation, Reply, Status, UpdateCommand,
};
use super::outbox::{self, Kind, OutboxItem, Running};
use super::*;
use crate::clock::Seconds;
use crate::session::change::Change;
use crate::session::data::Data;
use crate::session::id::SessionId;
use crate::session::record::{Epoch, Version};
use crate::simulation::fake_io::keys;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const HANDLE: Handle = Handle([1; 16]);
const ID: SessionId = SessionId::from_bytes([2; 16]);

/// Object without a runtime.
struct Object {
    row: Option<Vec<u8>>,
    now: UnixMillis,
}

fn tenant() -> TenantId {
    TenantId::parse("t").unwrap()
}

fn command(order: Operation) -> Command {
    Command {
        lifetime: Lifetime {
            idle: Seconds(600),
            absolute: Seconds(3_600),
            remember: Seconds(7_200),
        },
        max_per_user: None,
        adopt: None,
        named: None,
        order,
    }
}

fn lease(once: u64, exclusive: bool) -> Operation {
    Operation::Lease(LeaseCommand {
        seconds: Seconds(30),
        token: None,
        once,
        exclusive,
    })
}

fn patch(json: &str, once: u64) -> UpdateCommand {
    let change = Change {
        patch: Some(json.to_owned()),
        ..Change::default()
    };
    UpdateCommand {
        begin: Some(InitialState {
            id: ID,
            created: NOW.seconds(),
            device: None,
            country: None,
            browser: None,
            path: None,
        }),
        ..UpdateCommand::new(change, once, Epoch(1))
    }
}

fn end(once: u64) -> UpdateCommand {
    let change = Change {
        end: true,
        ..Change::default()
    };
    UpdateCommand::new(change, once, Epoch(1))
}

impl Object {
    fn new() -> Self {
        Self {
            row: None,
            now: NOW,
        }
    }

    fn apply(&mut self, command: &Command) -> Verdict {
        let tenant = tenant();
        let verdict = Executor {
            tenant: &tenant,
            handle: HANDLE,
            keys: &keys(&tenant),
            random: &mut ChaCha20Rng::seed_from_u64(self.now.0),
            now: self.now,
        }
        .command(command, self.row.as_deref())
        .unwrap();
        if let Some(row) = &verdict.row {
            self.row = Some(row.clone());
        }
        verdict
    }

    fn send(&mut self, order: Operation) -> Reply {
        self.apply(&command(order)).reply
    }

    fn change(&mut self, changing: UpdateCommand) -> Reply {
        self.send(Operation::Change(Box::new(changing)))
    }

    fn data(&mut self) -> String {
        self.record().data.to_json().to_owned()
    }

    fn next(&self) -> (OutboxItem, Option<Running>) {
        outbox::next(&tenant(), HANDLE, self.row.as_deref().unwrap(), self.now).unwrap()
    }

    fn done(&mut self, running: Running, succeeded: bool) {
        let row = self.row.take().unwrap();
        self.row = Some(outbox::done(&row, running, succeeded, self.now).unwrap());
    }

    /// Runs the outbox until it is idle, and returns the kinds of its items.
    fn run(&mut self) -> Vec<Kind> {
        let mut kinds = Vec::new();
        while let (_, Some(running)) = self.next() {
            kinds.push(running.kind);
            self.done(running, true);
        }
        kinds
    }
}

#[test]
fn changes_are_applied_in_order_and_once() {
    let mut object = Object::new();
    assert_eq!(object.send(Operation::Read).is, Status::Absent);
    object.change(patch(r#"{"a":1}"#, 1));
    object.change(patch(r#"{"a":2,"b":1}"#, 2));
    // Delivers the first change again.
    let reply = object.change(patch(r#"{"a":1}"#, 1));
    assert_eq!(reply.is, Status::Live);
    assert_eq!(object.data(), r#"{"a":2,"b":1}"#);
}

#[test]
fn ended_session_rejects_late_changes() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    assert_eq!(object.change(end(2)).is, Status::Ended);
    object.now.0 += 3_599_000;
    object.run();
    assert_eq!(object.change(patch(r#"{"b":1}"#, 3)).is, Status::Ended);
    assert_eq!(object.send(Operation::Read).is, Status::Ended);
}

#[test]
fn version_conflict_returns_the_record() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    let conditional = UpdateCommand {
        if_version: Some(Version(7)),
        ..patch(r#"{"a":2}"#, 2)
    };
    let reply = object.change(conditional);
    assert_eq!(reply.is, Status::Conflict);
    assert!(!reply.sealed.is_empty());
    assert_eq!(object.data(), r#"{"a":1}"#);
}

#[test]
fn revocation_is_announced_first_and_the_answer_waits() {
    let mut object = Object::new();
    let first = object.apply(&command(Operation::Change(Box::new(patch(
        r#"{"a":1}"#,
        1,
    )))));
    assert!(!first.wait);
    assert_eq!(object.run(), [Kind::Write, Kind::List]);
    object.now.0 += 5_000;
    let last = object.apply(&command(Operation::Change(Box::new(end(2)))));
    assert!(last.wait);
    assert_eq!(object.run(), [Kind::Announce, Kind::Write, Kind::List]);
}

#[test]
fn kv_gets_the_last_record_at_most_once_a_second() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    object.run();
    object.change(patch(r#"{"a":2}"#, 2));
    assert!(matches!(object.next().0, OutboxItem::Sleep(until) if until.0 == NOW.0 + 1_000));
    object.now.0 += 1_000;
    let (_, Some(running)) = object.next() else {
        panic!("it is time");
    };
    // A change during a write leaves another write to do.
    object.change(patch(r#"{"a":3}"#, 3));
    object.done(running, true);
    object.now.0 += 1_000;
    assert_eq!(object.run(), [Kind::Write]);
}

#[test]
fn failed_outbox_items_are_retried_with_backoff() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    object.run();
    object.change(end(2));
    let (_, Some(announced)) = object.next() else {
        panic!("nothing to announce");
    };
    object.done(announced, true);
    object.now.0 += 1_000;
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let (_, Some(running)) = object.next() else {
            panic!("nothing to do");
        };
        object.done(running, false);
        let (OutboxItem::Sleep(until), None) = object.next() else {
            panic!("no pause");
        };
        pauses.push(until.0 - object.now.0);
        object.now = until;
    }
    assert!(pauses.is_sorted() && pauses[0] >= 500, "{pauses:?}");
    assert_eq!(object.run(), [Kind::Announce, Kind::Write, Kind::List]);
}

#[test]
fn repeated_lease_request_returns_the_same_lease() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    let take = |once| lease(once, false);
    let given = object.send(take(7));
    assert_eq!(object.send(take(7)).lease, given.lease);
    assert_eq!(object.send(take(8)).is, Status::Held);
}

#[test]
fn row_is_kept_while_a_cookie_may_be_valid() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    object.run();
    object.change(end(2));
    object.now.0 += 1_000;
    object.run();
    object.now.0 += 7_200_000;
    assert!(matches!(object.next().0, OutboxItem::Sleep(_)));
    object.now.0 += 60_000;
    assert!(matches!(object.next().0, OutboxItem::Forget));
}

#[test]
fn session_known_to_kv_alone_is_adopted() {
    let tenant = tenant();
    let record = Record {
        version: Version(4),
        data: Data::default().patched(r#"{"old":1}"#).unwrap(),
        ..Record::unstored(HANDLE, ID, NOW.seconds(), NOW.seconds())
    };
    let name = RecordName::derive(&tenant, HANDLE);
    let mut random = ChaCha20Rng::seed_from_u64(1);
    let sealed = codec::seal(&Entry::Live(record), &name, &keys(&tenant), &mut random);
    let mut object = Object::new();
    let changing = UpdateCommand {
        begin: None,
        ..patch(r#"{"new":1}"#, 1)
    };
    assert_eq!(object.change(changing.clone()).is, Status::Absent);
    object.apply(&Command {
        adopt: sealed,
        ..command(Operation::Change(Box::new(changing)))
    });
    assert_eq!(object.data(), r#"{"new":1,"old":1}"#);
}

#[test]
fn command_for_another_sign_in_is_rejected() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    let identify = Change {
        identify: Some(r#"{"user":"u"}"#.to_owned()),
        ..Change::default()
    };
    assert_eq!(
        object.change(UpdateCommand::new(identify, 2, Epoch(1))).is,
        Status::Live
    );
    let row = object.row.clone();
    let asked = |named| {
        let changes = [
            Operation::Change(Box::new(UpdateCommand::new(
                Change {
                    patch: Some(r#"{"a":2}"#.to_owned()),
                    ..Change::default()
                },
                3,
                Epoch(1),
            ))),
            Operation::Change(Box::new(end(4))),
            lease(5, false),
            Operation::Release { token: 1 },
        ];
        changes.map(|order| Command {
            named,
            ..command(order)
        })
    };
    let another = SessionId::from_bytes([9; 16]).sign_in();
    for named in [Some(None), Some(Some(another))] {
        for command in asked(named) {
            assert_eq!(
                object.apply(&command).reply.is,
                Status::Outdated,
                "{command:?}"
            );
            assert_eq!(object.row, row);
        }
    }
    for command in asked(None) {
        assert_ne!(
            object.apply(&command).reply.is,
            Status::Outdated,
            "{command:?}"
        );
    }
}

#[test]
fn session_in_use_renews_its_list_entry_once_per_idle_limit() {
    let mut object = Object::new();
    object.change(patch(r#"{"a":1}"#, 1));
    let (mut listed, mut until) = (0, 0);
    for once in 2..40 {
        while let (outbox_item, Some(running)) = object.next() {
            if let OutboxItem::Directory(command) = outbox_item {
                let command: serde_json::Value = serde_json::from_str(&command).unwrap();
                assert_eq!(command["do"], "list-in");
                until = command["until"].as_u64().unwrap();
                listed += 1;
            }
            object.done(running, true);
        }
        let row = Row::decode(object.row.as_deref().unwrap()).unwrap();
        assert!(
            row.expires().0 <= until,
            "on the list for as long as it lasts"
        );
        assert!(
            until <= NOW.seconds().0 + 3_600,
            "and not beyond what it can"
        );
        object.now.0 += 75_000;
        object.change(UpdateCommand::new(Change::touch(), once, Epoch(1)));
    }
    // The session is used for 47 minutes, and each listing lasts ten minutes ahead.
    assert!((2..=6).contains(&listed), "{listed}");
}
