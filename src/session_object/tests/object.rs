//! Tests the object alone: which reply waits for what, and the order of its actions.

use super::refresh::{new_tokens, order as refreshing};
use super::runtime::Announced::{Not, Yes};
use super::runtime::{Does, Runtime, directory, object_name, stored, with_old_tokens};
use super::*;
use crate::session_object::object::CallId;

#[test]
fn change_is_answered_at_once_and_outbox_items_run_one_by_one() {
    let mut runtime = Runtime::new();
    let (call, does) = runtime.change(patch(r#"{"a":1}"#, 1));
    assert_eq!(does, [Does::Replies(call, Status::Live, Yes), Does::Stores]);
    let (call, does) = runtime.change(patch(r#"{"a":2}"#, 2));
    assert_eq!(does, [Does::Replies(call, Status::Live, Yes)], "one runs");
    assert_eq!(runtime.item_done(true), [directory("list-in")]);
    assert_eq!(runtime.item_done(true), []);
    // The stored record is not the last one.
    let (call, does) = runtime.alarm_comes();
    assert_eq!(runtime.now.0, NOW.0 + 1_000);
    assert_eq!(does, [Does::Stores]);
    assert_eq!(runtime.item_done(true), [Does::ReturnsFromAlarm(call)]);
}

/// Actions that a trapping instance has performed stay performed.
#[test]
fn death_between_actions_loses_no_stored_work() {
    let first = command(Operation::Change(Box::new(patch(r#"{"a":1}"#, 1)))).to_text();
    for performed in 0.. {
        let mut runtime = Runtime::new();
        let name = object_name();
        let actions =
            runtime.step(|object, context| object.command(CallId(1), &name, &first, context));
        let is_all = performed >= actions.len();
        runtime.perform(actions.into_iter().take(performed).collect());
        runtime.dies();
        let is_stored = runtime.row.is_some();
        if is_stored || runtime.name.is_some() {
            let (call, does) = runtime.alarm_comes();
            let expected = match is_stored {
                true => [Does::Stores].as_slice(),
                false => &[Does::Deletes, Does::ReturnsFromAlarm(call)],
            };
            assert_eq!(does, expected, "after {performed} actions");
        }
        if is_all {
            break;
        }
    }
}

#[test]
fn earlier_alarm_is_kept() {
    let mut runtime = stored();
    runtime.change(patch(r#"{"a":2}"#, 2));
    let first = runtime.alarm;
    assert_eq!(first, Some(UnixMillis(runtime.now.0 + 3_000)));
    runtime.now.0 += 500;
    runtime.change(patch(r#"{"a":3}"#, 3));
    assert_eq!(runtime.alarm, first);
}

#[test]
fn destroy_waits_for_the_announcement() {
    let mut runtime = stored();
    let (call, does) = runtime.change(end(2));
    assert_eq!(does, [directory("revoke")]);
    let does = runtime.item_done(true);
    assert_eq!(
        does,
        [Does::Replies(call, Status::Ended, Yes), Does::Stores]
    );
}

#[test]
fn destroy_reports_a_failed_announcement() {
    let mut runtime = stored();
    let (call, does) = runtime.change(end(2));
    assert_eq!(does, [directory("revoke")]);
    assert_eq!(
        runtime.item_done(false),
        [Does::Replies(call, Status::Ended, Not)]
    );
    // After a delay the announcement is repeated.
    assert_eq!(runtime.alarm, Some(UnixMillis(runtime.now.0 + 1_000)));
    let (_, does) = runtime.alarm_comes();
    assert_eq!(does, [directory("revoke")]);
}

#[test]
fn repeated_destroy_waits_for_the_announcement_too() {
    let mut runtime = stored();
    runtime.change(end(2));
    runtime.dies();
    let (call, does) = runtime.change(end(2));
    assert_eq!(does, [directory("revoke")]);
    let does = runtime.item_done(true);
    assert_eq!(does[0], Does::Replies(call, Status::Ended, Yes));
}

#[test]
fn destroy_after_a_failed_announcement_announces_at_once() {
    let mut runtime = stored();
    runtime.change(end(2));
    runtime.item_done(false);
    let (call, does) = runtime.change(end(3));
    assert_eq!(does, [directory("revoke")]);
    let does = runtime.item_done(true);
    assert_eq!(does[0], Does::Replies(call, Status::Ended, Yes));
}

#[test]
fn concurrent_destroy_waits_for_the_announcement() {
    let mut runtime = stored();
    let (first, does) = runtime.change(end(2));
    assert_eq!(does, [directory("revoke")]);
    let (second, does) = runtime.change(end(3));
    assert_eq!(does, []);
    let replied = [first, second].map(|call| Does::Replies(call, Status::Ended, Yes));
    assert_eq!(runtime.item_done(true)[..2], replied);
    // The end is already announced.
    let (third, does) = runtime.change(end(4));
    assert_eq!(does, [Does::Replies(third, Status::Ended, Yes)]);
}

#[test]
fn earlier_failed_item_does_not_count_as_the_announcement() {
    let mut runtime = stored();
    let (_, does) = runtime.change(patch(r#"{"a":2}"#, 2));
    assert_eq!(does.last(), Some(&Does::Stores));
    let (call, does) = runtime.change(end(3));
    assert_eq!(does, []);
    // The delay after the failure also delays the announcement.
    assert_eq!(
        runtime.item_done(false),
        [Does::Replies(call, Status::Ended, Not)]
    );
}

#[test]
fn alarm_handler_returns_once_the_outbox_is_idle() {
    let mut runtime = stored();
    let (_, does) = runtime.change(patch(r#"{"a":2}"#, 2));
    assert_eq!(does.last(), Some(&Does::Stores));
    let (call, does) = runtime.alarm_comes();
    assert_eq!(does, [], "one runs");
    assert_eq!(runtime.item_done(true), [Does::ReturnsFromAlarm(call)]);
}

#[test]
fn restarted_object_resumes_at_its_alarm() {
    let mut runtime = stored();
    runtime.change(end(2));
    runtime.dies();
    let (_, does) = runtime.alarm_comes();
    assert_eq!(does, [directory("revoke")]);
    assert_eq!(runtime.item_done(true), [Does::Stores]);
    runtime.dies();
    // The record may have been stored a moment ago.
    let actions = runtime.object.alarm(CallId(0), runtime.now);
    assert_eq!(runtime.perform(actions), [directory("list-out")]);
    let does = runtime.item_done(true);
    assert_eq!(does, [Does::ReturnsFromAlarm(CallId(0))]);
    assert_eq!(runtime.alarm, Some(UnixMillis(runtime.now.0 + 1_000)));
}

#[test]
fn ended_session_is_deleted_when_no_cookie_can_be_valid() {
    let mut runtime = stored();
    let (_, does) = runtime.change(end(2));
    runtime.drain_outbox(does);
    while runtime.row.is_some() {
        let (call, does) = runtime.alarm_comes();
        let last = [Does::Deletes, Does::ReturnsFromAlarm(call)];
        assert_eq!(does == last, runtime.row.is_none(), "{does:?}");
        runtime.drain_outbox(does);
    }
    assert!(runtime.now.0 >= NOW.0 + 7_200_000);
    assert_eq!((runtime.name.as_deref(), runtime.alarm), (None, None));
    let (call, does) = runtime.call(&command(Operation::Read));
    assert_eq!(does, [Does::Replies(call, Status::Absent, Yes)]);
}

#[test]
fn concurrent_refreshes_share_one_request() {
    let mut runtime = with_old_tokens();
    let (first, does) = runtime.call(&command(refreshing()));
    assert_eq!(does, [Does::Fetches]);
    let (second, does) = runtime.call(&command(refreshing()));
    assert_eq!(does, []);
    // Other commands do not wait for the provider.
    let (other, does) = runtime.change(patch(r#"{"b":1}"#, 2));
    assert_eq!(does[0], Does::Replies(other, Status::Live, Yes));
    let does = runtime.provider_answers(200, &new_tokens());
    let replies = [first, second].map(|call| Does::Replies(call, Status::Live, Yes));
    assert_eq!(does[..2], replies);
    let (third, does) = runtime.call(&command(refreshing()));
    assert_eq!(
        does,
        [Does::Replies(third, Status::Live, Yes)],
        "they are fresh"
    );
}

#[test]
fn refresh_after_the_answer_asks_again() {
    let mut runtime = with_old_tokens();
    runtime.call(&command(refreshing()));
    runtime.provider_answers(0, "");
    // After a failure the object sends no request for a while.
    let (call, does) = runtime.call(&command(refreshing()));
    assert_eq!(does, [Does::Replies(call, Status::Live, Yes)]);
    runtime.now.0 += 5_000;
    let (_, does) = runtime.call(&command(refreshing()));
    assert_eq!(does, [Does::Fetches]);
}

#[test]
fn session_known_to_kv_alone_is_adopted_before_its_refresh() {
    let mut before = with_old_tokens();
    let (_, does) = before.call(&command(Operation::Read));
    assert!(matches!(does[..], [Does::Replies(..)]));
    let sealed = Row::decode(before.row.as_deref().unwrap()).unwrap().sealed;
    let mut runtime = Runtime::new();
    runtime.now = before.now;
    let (call, does) = runtime.call(&Command {
        adopt: Some(sealed),
        ..command(refreshing())
    });
    assert_eq!(does, [Does::Fetches]);
    assert!(runtime.row.is_some() && runtime.name.is_some());
    let does = runtime.provider_answers(200, &new_tokens());
    assert_eq!(does[0], Does::Replies(call, Status::Live, Yes));
}

#[test]
fn malformed_command_and_unreadable_row_change_nothing() {
    let mut runtime = Runtime::new();
    let (call, does) = runtime.call_text("{}");
    assert_eq!(does, [Does::Replies(call, Status::Unreadable, Yes)]);
    runtime.name = Some(object_name());
    runtime.row = Some(b"of a newer release".to_vec());
    runtime.dies();
    let (call, does) = runtime.change(patch("{}", 1));
    assert_eq!(does, [Does::Replies(call, Status::Unreadable, Yes)]);
    let actions = runtime.object.alarm(CallId(9), runtime.now);
    assert_eq!(
        runtime.perform(actions),
        [Does::ReturnsFromAlarm(CallId(9))]
    );
    assert_eq!(runtime.alarm, Some(UnixMillis(runtime.now.0 + 60_000)));
    assert_eq!(runtime.row.as_deref(), Some(&b"of a newer release"[..]));
}
