//! Tests the rules for one account or token over time.

use super::*;

struct Object {
    row: Option<String>,
    now: u64,
    /// Change in the last reply.
    change: Option<AccountChange>,
}

impl Object {
    fn new() -> Self {
        Self {
            row: None,
            now: 1_000_000,
            change: None,
        }
    }

    fn apply(&mut self, command: &Command) -> Verdict {
        let stored = self.row.take();
        let outcome = apply(stored.as_deref(), &command.to_text(), UnixMillis(self.now));
        match outcome.change {
            Change::Store { row, .. } => self.row = Some(row),
            Change::DeleteAll => assert!(stored.is_some()),
            Change::Nothing => assert_eq!(stored, None),
        }
        let text = outcome.reply.to_text();
        assert_eq!(Reply::parse(text.as_bytes()), Some(outcome.reply.clone()));
        self.change = outcome.reply.change;
        outcome.reply.verdict
    }
}

const NOW: UnixMillis = UnixMillis(1_000_000);

#[test]
fn row_is_kept_until_its_alarm_then_deleted() {
    let command = Command::attempt(1).to_text();
    let Change::Store { row, until } = apply(None, &command, NOW).change else {
        panic!("an attempt is stored");
    };
    let kept_until = |now| kept_until(Some(&row), now);
    assert_eq!(kept_until(NOW), Some(until), "an alarm that came too early");
    assert_eq!(kept_until(until), None);
    assert_eq!(super::kept_until(None, NOW), None);
    assert_eq!(super::kept_until(Some("rubbish"), NOW), None);
}

#[test]
fn failed_logins_wait_longer_each_time_and_success_resets() {
    let mut account = Object::new();
    for _ in 0..FREE {
        assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
    }
    let mut waited = Vec::new();
    for _ in 0..14 {
        let Verdict::Wait(seconds) = account.apply(&Command::attempt(7)) else {
            panic!("not held back");
        };
        waited.push(seconds);
        account.now += seconds * 1_000;
        assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
    }
    assert_eq!(
        waited,
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
    );
    account.apply(&Command::succeeded());
    assert_eq!(account.row, None);
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
}

#[test]
fn repeated_attempt_does_not_extend_the_wait() {
    let mut account = Object::new();
    for _ in 0..FREE {
        account.apply(&Command::attempt(7));
    }
    for _ in 0..100 {
        assert_eq!(account.apply(&Command::attempt(7)), Verdict::Wait(1));
    }
}

#[test]
fn failures_are_forgotten_after_a_day() {
    let mut account = Object::new();
    for _ in 0..FREE {
        account.apply(&Command::attempt(7));
    }
    account.now += FORGOTTEN_AFTER_MS;
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
}

#[test]
fn repeated_report_counts_once() {
    let mut token = Object::new();
    let until = 1_060_000;
    let once = Command::Once { until, by: 1 };
    assert_eq!(token.apply(&Command::Seen), Verdict::Allowed);
    assert_eq!(token.apply(&once), Verdict::Allowed);
    assert_eq!(token.apply(&once), Verdict::Allowed, "the answer was lost");
    assert_eq!(
        token.apply(&Command::Once { until, by: 2 }),
        Verdict::Wait(60)
    );
    assert_eq!(token.apply(&Command::Seen), Verdict::Wait(60));
    token.now = 1_060_000;
    assert_ne!(
        token.apply(&once),
        Verdict::Allowed,
        "too late even for the first time"
    );
}

fn change(at: u64, account: Option<&str>) -> AccountChange {
    AccountChange {
        at,
        account: account.map(str::to_owned),
    }
}

#[test]
fn recent_account_change_is_returned_until_storage_has_it() {
    let mut account = Object::new();
    account.apply(&Command::attempt(7));
    assert_eq!(account.change, None);
    account.apply(&Command::changed(change(5, Some("new"))));
    for command in [
        Command::attempt(8),
        Command::succeeded(),
        Command::account(),
    ] {
        assert_eq!(account.apply(&command), Verdict::Allowed);
        assert_eq!(account.change, Some(change(5, Some("new"))), "{command:?}");
    }
    account.apply(&Command::changed(change(6, None)));
    account.apply(&Command::changed(change(5, Some("new"))));
    account.apply(&Command::account());
    assert_eq!(account.change, Some(change(6, None)), "it was overtaken");
    account.now += CHANGE_KNOWN_S * 1_000;
    account.apply(&Command::account());
    assert_eq!((account.change.clone(), account.row), (None, None));
}

#[test]
fn change_and_failures_expire_separately() {
    let mut account = Object::new();
    for _ in 0..FREE {
        account.apply(&Command::attempt(7));
    }
    account.apply(&Command::changed(change(5, None)));
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Wait(1));
    account.now += CHANGE_KNOWN_S * 1_000;
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Allowed);
    assert_eq!(account.change, None);
    assert_eq!(account.apply(&Command::attempt(7)), Verdict::Wait(2));
}

#[test]
fn command_of_the_previous_release_is_answered() {
    let mut account = Object::new();
    account.apply(&Command::changed(change(5, None)));
    let asked = r#"{"do":"try","by":7}"#;
    let now = UnixMillis(account.now);
    let reply = apply(account.row.as_deref(), asked, now).reply;
    assert_eq!(reply.to_text(), "0");
    let mut account = Object {
        row: Some("[4,0,86400000,7]".to_owned()),
        now: 10,
        change: None,
    };
    assert_eq!(account.apply(&Command::attempt(8)), Verdict::Allowed);
    account.now = 11;
    assert_eq!(account.apply(&Command::attempt(9)), Verdict::Wait(1));
}

#[test]
fn malformed_command_changes_nothing() {
    let outcome = apply(None, "{}", UnixMillis(5));
    assert_ne!(outcome.reply.verdict, Verdict::Allowed);
    assert_eq!(outcome.change, Change::Nothing);
    let outcome = apply(Some("rubbish"), "{}", UnixMillis(5));
    assert_eq!(outcome.change, Change::DeleteAll);
    assert_eq!(Reply::parse(b"x"), None);
    assert_eq!(Reply::parse(b"0\n{}"), None);
}
