//! Tests changes that are confirmed before they are stored, with KV alone.

use super::*;
use crate::cookie::token::Token;
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::record::Entry;
use crate::simulation::fake_io::Silent;
use crate::tenant_id::TenantId;

const NO_READS: Silent = Silent {
    reads: true,
    writes: false,
    objects: false,
    directory: false,
};

/// Two isolates with one storage and one browser.
struct Two {
    here: World,
    there: Gateway,
}

impl Two {
    /// Begins a session that both isolates have read.
    fn begun() -> Self {
        let settings = json!({ "CONSISTENCY": "eventual", "ORIGIN_KEY": KEY });
        let mut here = World::new(&settings);
        here.exchange("x-session-patch\n{\"begun\":1,\"shared\":0}");
        let there = gateway(&settings, 2);
        let mut two = Self { here, there };
        two.there(World::visit);
        two
    }

    /// Acts in the other isolate.
    fn there<T>(&mut self, act: impl FnOnce(&mut World) -> T) -> T {
        core::mem::swap(&mut self.here.gateway, &mut self.there);
        let result = act(&mut self.here);
        core::mem::swap(&mut self.here.gateway, &mut self.there);
        result
    }

    /// Handles these responses from the first isolate's memory, and stores nothing yet.
    fn confirm(&mut self, responses: &[&str]) {
        let context = self.here.visit().response_context;
        let now = self.here.now;
        for headers in responses {
            let gateway = &mut self.here.gateway;
            match gateway.handle_response(&context, 200, headers, now, &Answers::default()) {
                ResponseAction::Edited(edits) => self.here.take_cookie(&edits.append),
                other => panic!("not confirmed at once: {other:?}"),
            }
        }
    }

    /// Returns the stored data.
    fn stored(&self) -> Value {
        let tenant = TenantId::parse("default").unwrap();
        let (key, value) = self.here.records().into_iter().next().unwrap();
        let keys = fake_io::keys(&tenant);
        let name = RecordName::derive(&tenant, self.handle());
        assert_eq!(name.as_str(), key);
        match codec::open(&value, &name, &keys) {
            Ok(Entry::Live(record)) => serde_json::from_str(record.data.to_json()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn handle(&self) -> Handle {
        let keys = fake_io::keys(&TenantId::parse("default").unwrap());
        let token = self.here.jar.as_deref().unwrap();
        let (_, token) = token.split_once('=').unwrap();
        Token::opened(token, &keys).unwrap().handle
    }

    fn lost(&mut self) -> Vec<String> {
        let events = self.here.gateway.recorder.take_events();
        let lost = events
            .iter()
            .filter(|event| event.name() == "session_change_lost");
        lost.map(|event| event.text("reason").to_owned()).collect()
    }
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn data(forward: &Forward) -> Value {
    serde_json::from_str(header_value(forward, "x-session-data").unwrap()).unwrap()
}

#[test]
fn change_is_confirmed_without_a_read_and_seen_at_once() {
    let mut two = Two::begun();
    let changed = json!({"begun":1,"shared":0,"a":1});
    two.here.io.reads = 0;
    two.confirm(&["x-session-patch\n{\"a\":1}"]);
    assert_eq!(two.here.io.reads, 0);
    assert_eq!(data(&two.here.visit()), changed);
    assert_eq!(two.here.io.reads, 1, "before the write");
    assert_eq!(two.stored(), changed);
}

#[test]
fn changes_of_two_isolates_are_merged_member_by_member() {
    let mut two = Two::begun();
    two.confirm(&[
        "x-session-patch\n{\"here\":1,\"shared\":1}",
        "x-session-patch\n{\"later\":1}",
    ]);
    two.there(|there| there.exchange("x-session-patch\n{\"there\":1,\"shared\":2,\"begun\":null}"));
    two.here.store();
    let merged = json!({"here":1,"later":1,"there":1,"shared":1});
    assert_eq!(data(&two.here.visit()), merged);
    assert_eq!(two.stored(), merged);
    assert!(two.lost().is_empty());
}

#[test]
fn merged_session_is_as_new_as_every_cookie_says() {
    let mut two = Two::begun();
    let five = [0, 1, 2, 3, 4].map(|number| format!("x-session-patch\n{{\"n\":{number}}}"));
    two.confirm(&five.each_ref().map(String::as_str));
    let cookie = two.here.jar.clone();
    two.there(|there| there.exchange("x-session-patch\n{\"there\":1}"));
    two.here.store();
    two.here.jar = cookie;
    two.here.move_to_another_isolate();
    let forward = two.here.visit();
    assert_eq!(header_value(&forward, "x-session-state"), Some("active"));
    assert_eq!(data(&forward)["n"], 4);
    assert_eq!(data(&forward)["there"], 1);
}

#[test]
fn change_is_not_lost_to_a_later_version_that_a_rotation_reads() {
    let mut two = Two::begun();
    let forward = two.here.visit();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    for _ in 0..3 {
        two.there(|there| there.exchange("x-session-patch\n{\"there\":1}"));
        two.there(|there| there.exchange("x-session-patch\n{\"there\":2}"));
    }
    // A rotation reads first, and stores all of it.
    two.here.answer(&forward, "x-session-rotate\n1");
    assert_eq!(data(&two.here.visit())["here"], 1);
    assert_eq!(data(&two.here.visit())["there"], 2);
    let stored = two.stored();
    assert_eq!((&stored["here"], &stored["there"]), (&json!(1), &json!(2)));
}

#[test]
fn session_that_ended_elsewhere_stays_ended() {
    let mut two = Two::begun();
    let cookie = two.here.jar.clone();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.there(|there| there.exchange("x-session-destroy\n1"));
    let tombstone = two.here.records();
    two.here.store();
    assert_eq!(two.here.records(), tombstone);
    assert_eq!(two.lost(), ["ended"]);
    two.here.jar = cookie;
    assert_eq!(refused(two.here.get("/")).0, 401);
}

#[test]
fn change_of_a_guest_does_not_reach_the_user_that_signed_in_elsewhere() {
    let mut two = Two::begun();
    let guest = [1, 2, 3, 4, 5].map(|number| format!("x-session-patch\n{{\"guest\":{number}}}"));
    two.confirm(&guest.each_ref().map(String::as_str));
    let cookie = two.here.jar.clone();
    two.there(|there| there.exchange("x-session-identify\n{\"user\":\"ada\"}"));
    two.here.store();
    assert_eq!(two.lost(), ["outdated"; 5]);
    let forward = two.here.visit();
    assert_eq!(header_value(&forward, "x-session-user"), Some("ada"));
    assert_eq!(data(&forward)["guest"], Value::Null);
    assert_eq!(two.stored()["guest"], Value::Null);
    // The guest's cookie names a later version than the sign-in had, and does not work for the user.
    two.here.jar = cookie;
    two.here.move_to_another_isolate();
    assert_eq!(refused(two.here.get("/")).0, 409);
}

/// Returns how a new instance puts the value that one which trapped has confirmed.
fn after_a_trap(two: &mut Two) -> Merged {
    let [write] = two.here.gateway.sessions.take_writes().try_into().unwrap();
    two.here.move_to_another_isolate();
    two.here.merged(&write)
}

#[test]
fn value_that_outlived_its_instance_replaces_an_earlier_version_only() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    assert_eq!(after_a_trap(&mut two), Merged::AsIs);
    assert!(two.lost().is_empty());

    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.there(|there| there.exchange("x-session-patch\n{\"there\":1}"));
    assert_eq!(after_a_trap(&mut two), Merged::Nothing);
    assert_eq!(two.lost(), ["newer_version"]);
}

#[test]
fn value_that_outlived_its_instance_does_not_revive_a_session() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.there(|there| there.exchange("x-session-destroy\n1"));
    assert_eq!(after_a_trap(&mut two), Merged::Nothing);
    assert_eq!(two.lost(), ["ended"]);
}

#[test]
fn end_that_outlived_its_instance_is_put_over_any_version() {
    let mut two = Two::begun();
    let handle = two.handle();
    let at = two.here.now.seconds();
    let Gateway {
        sessions, recorder, ..
    } = &mut two.here.gateway;
    sessions.store(recorder, handle, Entry::Ended { at }, two.here.now);
    two.there(|there| there.exchange("x-session-patch\n{\"there\":1}"));
    assert_eq!(after_a_trap(&mut two), Merged::AsIs);
}

#[test]
fn value_that_outlived_its_instance_waits_for_storage_that_does_not_answer() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.here.io.silent = NO_READS;
    assert_eq!(after_a_trap(&mut two), Merged::Unknown);
}

#[test]
fn change_is_not_lost_when_the_copy_is_evicted_before_a_fresh_read_replaces_its_value() {
    let mut two = Two::begun();
    let forward = two.here.visit();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.here.gateway.sessions.forget_sessions();
    two.here.answer(&forward, "x-session-rotate\n1");
    assert_eq!(data(&two.here.visit())["here"], 1);
    assert_eq!(two.stored()["here"], 1);
}

#[test]
fn change_before_a_rotation_elsewhere_is_kept() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.there(|there| there.exchange("x-session-rotate\n1"));
    two.here.store();
    assert_eq!(two.stored()["here"], 1);
}

#[test]
fn change_that_is_too_large_for_the_merged_data_is_dropped_and_logged() {
    let mut two = Two::begun();
    let text = |name: &str| {
        let value = "x".repeat(40_000);
        format!("x-session-patch\n{{\"{name}\":\"{value}\"}}")
    };
    two.confirm(&[&text("here")]);
    two.there(|there| there.exchange(&text("there")));
    two.here.store();
    assert_eq!(two.lost(), ["patch_too_large"]);
    let stored = two.stored();
    assert!(stored["here"].is_null() && stored["there"].is_string());
}

#[test]
fn changes_wait_for_storage_that_does_not_answer() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    two.there(|there| there.exchange("x-session-patch\n{\"there\":1}"));
    let [write] = two.here.gateway.sessions.take_writes().try_into().unwrap();
    two.here.io.silent = NO_READS;
    assert_eq!(two.here.merged(&write), Merged::Unknown);
    two.here.io.silent = Silent::default();
    assert!(matches!(two.here.merged(&write), Merged::Instead(_)));
}

#[test]
fn unreadable_record_is_not_overwritten() {
    let mut two = Two::begun();
    two.confirm(&["x-session-patch\n{\"here\":1}"]);
    let (key, _) = two.here.records().into_iter().next().unwrap();
    two.here.io.namespace.insert(key.clone(), vec![3; 80]);
    let [write] = two.here.gateway.sessions.take_writes().try_into().unwrap();
    assert_eq!(two.here.merged(&write), Merged::Nothing);
    assert_eq!(two.lost(), ["unreadable"]);
}

#[test]
fn sign_in_and_rotation_and_end_read_first() {
    for headers in [
        "x-session-identify\n{\"user\":\"ada\"}",
        "x-session-rotate\n1",
        "x-session-destroy\n1",
    ] {
        let mut two = Two::begun();
        let forward = two.here.visit();
        let action = two.here.gateway.handle_response(
            &forward.response_context,
            200,
            headers,
            two.here.now,
            &Answers::default(),
        );
        assert!(matches!(action, ResponseAction::Await(_)), "{headers}");
    }
}

#[test]
fn unstored_changes_of_a_session_are_bounded() {
    let mut two = Two::begun();
    let patch = |number: usize| format!("x-session-patch\n{{\"n\":{number}}}");
    let most: Vec<String> = (0..100).map(patch).collect();
    two.confirm(&most.iter().map(String::as_str).collect::<Vec<_>>());
    // The next change reads, and its value needs no merge.
    two.here.exchange("x-session-patch\n{\"n\":100}");
    assert_eq!(two.stored()["n"], 100);
}
