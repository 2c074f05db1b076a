//! Checks commands to a tenant's directory object, its answers, and names in storage against those of earlier releases.

use serde_json::{Value, json};

use super::object::{DirectoryObject, memory::Memory};
use super::*;
use crate::auth::account::AccountName;
use crate::clock::UnixMillis;
use crate::golden;
use crate::session::id::RecordName;
use crate::session::record::Version;
use crate::session_object::command::object_name;
use crate::store::revocations::Revocations;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const USER: UserTag = [9; 16];
const HANDLE: Handle = Handle([1; 16]);

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn command(need: Need) -> Value {
    match need {
        Need::Call { command, .. } => serde_json::from_str(&command).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn list(tags: Option<&[UserTag]>, after: Option<&str>) -> Value {
    let which = Which {
        tags,
        after,
        limit: 2,
    };
    let needs = ask_list(&tenant(), Consistency::Strong, &which);
    command(needs.into_iter().next().unwrap())
}

fn commands() -> Value {
    let subjects = [
        Subject::Session(HANDLE),
        Subject::User(USER),
        Subject::Tenant,
        Subject::Before(HANDLE, Version(5)),
    ];
    let since = Epoch(1_699_999_999_000);
    let until = UnixSeconds(1_700_007_200);
    json!({
        "count the sessions": command(ask_count(&tenant())),
        "ask what was revoked": command(ask_feed(&tenant(), Consistency::Strong, since)),
        "revoke": command(revoke(&tenant(), &subjects, until)),
        "list all": list(None, None),
        "list a user's, after a page": list(Some(&[USER]), Some("1699999000:x")),
    })
}

/// Orders a release's commands so that each answer depends on earlier commands.
fn conversation(commands: &Value, outbox_items: &Value) -> Vec<Value> {
    let command = |name: &str| commands[name].clone();
    let outbox_item = |name: &str| outbox_items[name]["directory"].clone();
    vec![
        outbox_item("to be listed for a user"),
        outbox_item("to be listed as a guest's"),
        command("list all"),
        command("list a user's, after a page"),
        outbox_item("its id was replaced, to be told"),
        outbox_item("ended, to be told"),
        command("revoke"),
        command("ask what was revoked"),
        outbox_item("to be listed no more"),
        command("list all"),
    ]
}

/// Returns the object's answers.
fn answers(conversation: &[Value]) -> Value {
    let mut object = DirectoryObject::default();
    let mut tables = Memory::default();
    let answer = |command: &Value| {
        let outcome = object.command(&mut tables, "acme", &command.to_string(), NOW);
        serde_json::from_str::<Value>(&outcome.unwrap().answer).unwrap()
    };
    conversation.iter().map(answer).collect()
}

#[test]
fn golden_commands_are_written_and_read() {
    golden::check_written("directory-commands.json", &commands());
    let of_sessions = golden::of_releases("session-errands.json");
    let commands_in_order = conversation(&commands(), &of_sessions.last().unwrap().1);
    golden::check_written("directory-answers.json", &answers(&commands_in_order));
    for (release, commands) in golden::of_releases("directory-commands.json") {
        let golden = |file| golden::of(file, &release);
        let commands_in_order = conversation(&commands, &golden("session-errands.json"));
        let answers = answers(&commands_in_order);
        assert_eq!(answers, golden("directory-answers.json"), "{release}");
        let bytes = |at: usize| answers[at].to_string().into_bytes();
        let listed = Listed {
            handle: HANDLE,
            created: UnixSeconds(1_699_999_000),
        };
        assert_eq!(read_list(&bytes(2)), Some((vec![listed], None)));
        assert!(read_epoch(&bytes(6)).is_some());
        let mut revocations = Revocations::default();
        revocations.learn(&bytes(7), NOW).unwrap();
        assert_eq!(revocations.least_version(HANDLE), Version(5));
    }
}

/// A later release may add members to a command.
#[test]
fn additions_of_a_later_release_are_ignored() {
    let feed = json!({ "do": "feed", "since": 0, "new": [1] });
    assert_eq!(
        answers(&[feed]),
        json!([{ "epoch": 0, "revoked": [] }]),
        "what is known is answered"
    );
}

#[test]
fn golden_names_are_written() {
    let listed = Listed {
        handle: HANDLE,
        created: UnixSeconds(1_699_999_000),
    };
    let record = RecordName::derive(&tenant(), HANDLE);
    let epoch = Epoch(1_700_000_000_123);
    let day = Seconds(86_400);
    let revoked = |subject| revocation(&tenant(), subject, epoch, day).key;
    golden::check_written(
        "storage-names.json",
        &json!({
            "record": record.as_str(),
            "record that cannot be read": record.quarantine(),
            "session's object": object_name(&tenant(), HANDLE),
            "account": AccountName::parse("ada").unwrap().key(&tenant()),
            "place on a user's list": listing(&tenant(), USER, &listed, day).key,
            "revocation of a session": revoked(Subject::Session(HANDLE)),
            "revocation of a user": revoked(Subject::User(USER)),
            "revocation of a tenant": revoked(Subject::Tenant),
        }),
    );
}
