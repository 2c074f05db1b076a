//! Checks the messages and rows of the objects that count attempts against those of earlier releases.

use super::*;
use crate::golden;
use serde_json::json;

fn change(account: Option<&str>) -> AccountChange {
    AccountChange {
        at: 1_700_000_000,
        account: account.map(str::to_owned),
    }
}

fn text(value: &Value) -> String {
    value.to_string()
}

#[test]
fn golden_commands_are_written_and_read() {
    let stored = r#"{"user":"ada","password":"$argon2id$"}"#;
    let commands = [
        ("try", Command::attempt(7)),
        ("succeeded", Command::succeeded()),
        ("ask for what was changed", Command::account()),
        ("changed", Command::changed(change(Some(stored)))),
        ("deleted", Command::changed(change(None))),
        ("ask whether it was seen", Command::Seen),
        (
            "once",
            Command::Once {
                until: 1_700_000_060_000,
                by: 7,
            },
        ),
    ];
    golden::check(
        "attempt-commands.json",
        &commands,
        |command| serde_json::from_str(&command.to_text()).unwrap(),
        |text| Command::parse(&text.to_string()).ok(),
    );
}

#[test]
fn golden_answers_are_written_and_read() {
    let reply = |verdict, change| Reply { verdict, change };
    let answers = [
        ("allowed", reply(Verdict::Allowed, None)),
        ("wait", reply(Verdict::Wait(8), None)),
        (
            "allowed, and changed",
            reply(Verdict::Allowed, Some(change(None))),
        ),
    ];
    golden::check(
        "attempt-answers.json",
        &answers,
        |reply| json!(reply.to_text()),
        |text| Reply::parse(text.as_str()?.as_bytes()),
    );
}

#[test]
fn golden_rows_are_written_and_read() {
    let row = |change| Row {
        failures: 6,
        wait_until: 1_700_000_002_000,
        forget_at: 1_700_086_400_000,
        by: 7,
        change,
    };
    let changed = (change(Some("{}")), 1_700_003_600_000);
    let rows = [
        ("failures", row(None)),
        ("failures and a change", row(Some(changed))),
    ];
    golden::check(
        "attempt-rows.json",
        &rows,
        |row| serde_json::from_str(&row.to_text()).unwrap(),
        |golden| Row::parse(&text(golden)),
    );
}
