//! The path of a request, driven as the edge drives it, over storage in memory.

use std::collections::HashMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::{Forward, Gateway, Settled, Step};
use crate::answer::Answer;
use crate::clock::UnixMillis;
use crate::deployment::Deployment;
use crate::encoding::base64url;
use crate::forward::response::Edits;
use crate::store::{Answers, Failure, Found};
use crate::telemetry::log::Event;

/// What storage does when it is asked.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    Fine,
    ReadsFail,
    WritesFail,
}

/// A gateway with storage, a clock and one browser.
struct World {
    gateway: Gateway,
    storage: HashMap<String, Vec<u8>>,
    weather: Weather,
    now: UnixMillis,
    reads: usize,
    jar: Option<String>,
}

const ORIGINS: &str = "a=http://a:1,b=http://b:1,c=http://c:1";

fn gateway(settings: &Value, seed: u64) -> Gateway {
    let mut bindings =
        json!({ "SESSION_KEYS": base64url(&[7; 32]), "ORIGINS": ORIGINS, "SESSIONS": true });
    for (name, value) in settings.as_object().unwrap() {
        bindings[name] = value.clone();
    }
    Gateway::new(
        Deployment::from_bindings(&bindings.to_string())
            .ok()
            .unwrap(),
        ChaCha20Rng::seed_from_u64(seed),
    )
}

impl World {
    fn new(settings: &Value) -> Self {
        Self {
            gateway: gateway(settings, 1),
            storage: HashMap::new(),
            weather: Weather::Fine,
            now: UnixMillis(1_700_000_000_000),
            reads: 0,
            jar: None,
        }
    }

    /// The same storage and browser, met by an isolate that knows nothing yet.
    fn move_to_another_isolate(&mut self, settings: &Value) {
        self.gateway = gateway(settings, 2);
    }

    fn wait(&mut self, seconds: u64) {
        self.now.0 += seconds * 1000;
    }

    fn store(&mut self) -> bool {
        let fine = self.weather != Weather::WritesFail;
        for write in self.gateway.take_writes() {
            if fine {
                self.storage.insert(write.key, write.value);
            }
        }
        fine
    }

    fn found(&mut self, key: &str) -> Found {
        self.reads += 1;
        match self.storage.get(key) {
            _ if self.weather == Weather::ReadsFail => Found::Unavailable,
            Some(bytes) => Found::Bytes(bytes.clone()),
            None => Found::Absent,
        }
    }

    fn ask(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        answers: &mut Answers,
    ) -> Step {
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        for (name, value) in headers {
            packed.push_str(&format!("\n{name}\n{value}"));
        }
        if let Some(cookie) = &self.jar {
            packed.push_str(&format!("\ncookie\n{cookie}"));
        }
        loop {
            match self.gateway.admit(&packed, self.now, answers) {
                Step::Read(read) => {
                    self.now.0 += u64::from(read.after_ms);
                    let found = self.found(&read.key);
                    answers.add(&read.key, found);
                }
                Step::Store => {
                    let acknowledged = self.store();
                    answers.set_written(acknowledged);
                }
                done => return done,
            }
        }
    }

    fn get(&mut self, target: &str) -> Step {
        self.ask("GET", target, &[], &mut Answers::default())
    }

    /// The request as it is forwarded.
    fn visit(&mut self) -> Forward {
        forwarded(self.get("/"))
    }

    /// The origin answers with these headers; the browser takes the cookie.
    fn answer(&mut self, forward: &Forward, headers: &str) -> Edits {
        let mut answers = Answers::default();
        let edits = loop {
            match self
                .gateway
                .settle(&forward.ticket, 200, headers, self.now, &answers)
            {
                Settled::Read(read) => {
                    let found = self.found(&read.key);
                    answers.add(&read.key, found);
                }
                Settled::Store => {
                    let acknowledged = self.store();
                    answers.set_written(acknowledged);
                }
                Settled::Edited(edits) => break edits,
                Settled::Untouched => break Edits::default(),
                Settled::Replaced(answer) => panic!("replaced: {answer:?}"),
            }
        };
        self.store();
        for (name, value) in &edits.append {
            if *name == "set-cookie" {
                let pair = value.split(';').next().unwrap();
                self.jar = (!value.contains("Max-Age=0")).then(|| pair.to_owned());
            }
        }
        edits
    }

    /// A whole exchange.
    fn exchange(&mut self, headers: &str) -> Forward {
        let forward = self.visit();
        self.answer(&forward, headers);
        forward
    }

    fn keep_up(&mut self, forward: &Forward) {
        let mut answers = Answers::default();
        while let Some(read) = self.gateway.afterwards(&forward.ticket, self.now, &answers) {
            let found = self.found(&read.key);
            answers.add(&read.key, found);
        }
        self.store();
    }
}

fn told<'a>(forward: &'a Forward, name: &str) -> Option<&'a str> {
    forward.headers.value(name)
}

fn forwarded(step: Step) -> Forward {
    match step {
        Step::Forward(forward) => forward,
        other => panic!("not forwarded: {other:?}"),
    }
}

fn refused(step: Step) -> (u16, String) {
    match step {
        Step::Answer(answer) => (answer.status, code(&answer)),
        other => panic!("not refused: {other:?}"),
    }
}

fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    body["code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_guest_costs_no_storage_and_keeps_handle_and_origin() {
    let mut world = World::new(&json!({}));
    let first = world.exchange("");
    assert_eq!(told(&first, "x-session-state"), Some("new"));
    for _ in 0..20 {
        let next = world.exchange("");
        assert_eq!(told(&next, "x-session-state"), Some("active"));
        assert_eq!(told(&next, "x-session-id"), told(&first, "x-session-id"));
        assert_eq!(next.origin, first.origin);
        assert!(!next.settle && !next.afterwards);
    }
    assert_eq!((world.reads, world.storage.len()), (0, 0));
}

#[test]
fn a_guest_in_steady_use_never_runs_out_and_an_idle_one_does() {
    let mut world = World::new(&json!({ "SESSION_IDLE": "30m" }));
    let first = world.exchange("");
    for _ in 0..10 {
        world.wait(20 * 60);
        let next = world.exchange("");
        assert_eq!(told(&next, "x-session-id"), told(&first, "x-session-id"));
    }
    world.wait(31 * 60);
    let fresh = world.exchange("");
    assert_ne!(told(&fresh, "x-session-id"), told(&first, "x-session-id"));
    assert!(world.storage.is_empty());
}

#[test]
fn data_an_origin_stores_is_there_in_every_isolate() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.reads, 0, "the isolate that wrote knows");
    world.move_to_another_isolate(&json!({}));
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.reads, 1, "read once, then cached");
}

#[test]
fn patches_of_parallel_answers_are_all_kept() {
    let mut world = World::new(&json!({}));
    world.exchange("");
    let flights: Vec<Forward> = (0..50).map(|_| world.visit()).collect();
    for (number, flight) in flights.iter().enumerate() {
        world.answer(flight, &format!("x-session-patch\n{{\"k{number}\":1}}"));
    }
    world.move_to_another_isolate(&json!({}));
    let data: Value =
        serde_json::from_str(told(&world.visit(), "x-session-data").unwrap()).unwrap();
    assert_eq!(data.as_object().unwrap().len(), 50);
}

#[test]
fn rotation_changes_the_cookie_and_nothing_else() {
    let mut world = World::new(&json!({}));
    let before = world.exchange("x-session-patch\n{\"a\":1}");
    let old = world.jar.clone();
    let in_flight = world.visit();
    world.exchange("x-session-rotate\n1");
    assert_ne!(world.jar, old);
    let after = world.visit();
    for name in ["x-session-id", "x-session-created"] {
        assert_eq!(told(&after, name), told(&before, name));
    }
    assert_eq!(told(&after, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(after.origin, before.origin);

    // What was on its way may still change the session, and asks for no second rotation.
    let successor = world.jar.clone();
    world.answer(
        &in_flight,
        "x-session-patch\n{\"b\":2}\nx-session-rotate\n1",
    );
    assert_eq!(
        told(&world.visit(), "x-session-data"),
        Some(r#"{"a":1,"b":2}"#)
    );
    let id = |cookie: &Option<String>| cookie.as_ref().unwrap()[22..40].to_owned();
    assert_eq!(id(&world.jar), id(&successor));
}

#[test]
fn a_rotated_cookie_works_for_half_a_minute_and_is_then_refused() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let old = world.jar.clone();
    world.exchange("x-session-rotate\n1");
    world.jar = old.clone();
    world.wait(29);
    let late = world.visit();
    assert!(late.settle, "the answer carries the new cookie");
    assert_eq!(told(&late, "x-session-data"), Some(r#"{"a":1}"#));
    world.jar = old;
    world.wait(2);
    assert_eq!(refused(world.get("/")), (401, "session_rotated".to_owned()));
}

#[test]
fn an_ended_session_stays_ended_whatever_finishes_late() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let old = world.jar.clone();
    world.wait(3_700);
    let in_flight = world.visit();
    assert!(in_flight.afterwards);
    world.exchange("x-session-destroy\n1");
    assert_eq!(world.jar, None);
    let tombstone = world.storage.clone();
    world.keep_up(&in_flight);
    world.answer(&in_flight, "x-session-patch\n{\"b\":2}");
    assert_eq!(world.storage, tombstone);
    world.jar = old;
    for _ in 0..2 {
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
        world.move_to_another_isolate(&json!({}));
    }
}

#[test]
fn signing_out_waits_for_storage_and_says_when_it_failed() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.weather = Weather::WritesFail;
    let step = world.ask("POST", "/_session/logout", &[], &mut Answers::default());
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.move_to_another_isolate(&json!({}));
    world.weather = Weather::Fine;
    let step = world.ask("POST", "/_session/logout", &[], &mut Answers::default());
    assert_eq!(refused(step).0, 204);
    assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
}

#[test]
fn signing_out_from_another_sites_page_is_refused() {
    let mut world = World::new(&json!({}));
    for (header, value, status) in [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("origin", "https://chat.example", 204),
        ("sec-fetch-site", "same-origin", 204),
    ] {
        let step = world.ask(
            "POST",
            "/_session/logout",
            &[(header, value)],
            &mut Answers::default(),
        );
        assert_eq!(refused(step).0, status, "{header}: {value}");
    }
}

#[test]
fn storage_that_does_not_answer_ends_no_session() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.move_to_another_isolate(&json!({}));
    world.weather = Weather::ReadsFail;
    let step = world.get("/");
    let Step::Answer(answer) = &step else {
        panic!("{step:?}")
    };
    assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
    assert_eq!(refused(step), (503, "store_unavailable".to_owned()));
    world.weather = Weather::Fine;
    assert_eq!(told(&world.visit(), "x-session-data"), Some(r#"{"a":1}"#));
}

#[test]
fn storage_that_is_behind_is_asked_again_and_then_the_origin_is_told() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let behind = world.storage.clone();
    world.exchange("x-session-patch\n{\"a\":2}");
    world.storage = behind;
    world.reads = 0;
    world.move_to_another_isolate(&json!({}));
    let forward = world.visit();
    assert_eq!(told(&forward, "x-session-state"), Some("degraded"));
    assert_eq!(told(&forward, "x-session-data"), Some(r#"{"a":1}"#));
    assert_eq!(world.reads, 4);
}

#[test]
fn a_record_that_is_gone_is_never_adopted() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    world.storage.clear();
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (401, "session_unknown".to_owned()));
    assert!(world.storage.is_empty());
    // A person opening the page just starts anew.
    let step = world.ask(
        "GET",
        "/",
        &[("sec-fetch-mode", "navigate")],
        &mut Answers::default(),
    );
    let Step::Forward(forward) = step else {
        panic!("{step:?}")
    };
    assert_eq!(told(&forward, "x-session-state"), Some("new"));
}

#[test]
fn an_unreadable_record_is_set_aside_and_not_overwritten() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.storage.keys().next().unwrap().clone();
    world.storage.insert(key.clone(), b"rubbish".to_vec());
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (401, "session_corrupt".to_owned()));
    world.store();
    assert_eq!(world.storage[&key], b"rubbish");
    assert_eq!(world.storage[&format!("q:{key}")], b"rubbish");
}

#[test]
fn a_record_of_a_newer_release_is_left_alone() {
    let mut world = World::new(&json!({}));
    world.exchange("x-session-patch\n{\"a\":1}");
    let key = world.storage.keys().next().unwrap().clone();
    world.storage.get_mut(&key).unwrap()[0] = 2;
    let before = world.storage.clone();
    world.move_to_another_isolate(&json!({}));
    assert_eq!(refused(world.get("/")), (503, "schema_newer".to_owned()));
    world.store();
    assert_eq!(world.storage, before);
}

#[test]
fn use_is_written_down_once_an_interval_and_keeps_the_session_alive() {
    let mut world = World::new(&json!({ "SESSION_IDLE": "80m" }));
    world.exchange("x-session-patch\n{\"a\":1}");
    let mut noted = 0;
    for _ in 0..60 {
        world.wait(60);
        for _ in 0..5 {
            let forward = world.visit();
            if forward.afterwards {
                noted += 1;
                world.keep_up(&forward);
            }
        }
    }
    assert!((5..=7).contains(&noted), "{noted} in an hour");
    world.wait(79 * 60);
    world.visit();
    world.wait(81 * 60);
    assert_eq!(refused(world.get("/")), (401, "session_expired".to_owned()));
}

#[test]
fn an_origin_that_is_gone_is_replaced_and_the_new_place_remembered() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Lost);
    let again = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_eq!(again.origin, home, "one lost connection proves nothing");
    answers.add_failure(&home, Failure::Lost);
    let moved = forwarded(world.ask("GET", "/", &[], &mut answers));
    assert_ne!(moved.origin, home);
    assert_eq!(told(&moved, "x-session-state"), Some("takeover"));
    world.answer(&moved, "");
    world.wait(60);
    world.move_to_another_isolate(&json!({}));
    let later = world.visit();
    assert_eq!(later.origin, moved.origin);
    assert_eq!(told(&later, "x-session-state"), Some("active"));
}

#[test]
fn a_request_that_may_have_been_processed_is_not_sent_twice() {
    for (method, failure, expected) in [
        ("POST", Failure::Lost, Some((502, "origin_unreachable"))),
        ("POST", Failure::Cut, Some((502, "origin_unreachable"))),
        ("POST", Failure::Unsent, None),
        ("GET", Failure::TimedOut, Some((504, "origin_timeout"))),
        ("GET", Failure::Lost, None),
    ] {
        let mut world = World::new(&json!({}));
        let home = world.exchange("").origin;
        let mut answers = Answers::default();
        answers.add_failure(&home, failure);
        let step = world.ask(method, "/", &[], &mut answers);
        match expected {
            None => drop(forwarded(step)),
            Some((status, code)) => assert_eq!(refused(step), (status, code.to_owned())),
        }
    }
}

#[test]
fn an_origin_that_is_gone_is_passed_over_for_a_while() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    let mut answers = Answers::default();
    answers.add_failure(&home, Failure::Unsent);
    world.ask("POST", "/", &[], &mut answers);
    assert_ne!(world.visit().origin, home);
    world.wait(5);
    assert_eq!(world.visit().origin, home);
}

#[test]
fn a_client_that_gives_up_its_uploads_casts_no_suspicion() {
    let mut world = World::new(&json!({}));
    let home = world.exchange("").origin;
    for _ in 0..10 {
        let mut answers = Answers::default();
        answers.add_failure(&home, Failure::Cut);
        world.ask("POST", "/", &[], &mut answers);
    }
    assert_eq!(world.visit().origin, home);
}

#[test]
fn when_every_origin_fails_the_visitor_is_told_after_three_tries() {
    let mut world = World::new(&json!({}));
    let mut answers = Answers::default();
    let mut tried = Vec::new();
    for _ in 0..3 {
        let forward = forwarded(world.ask("GET", "/", &[], &mut answers));
        answers.add_failure(&forward.origin, Failure::Lost);
        tried.push(forward.origin);
    }
    let step = world.ask("GET", "/", &[], &mut answers);
    assert_eq!(refused(step), (502, "origin_unreachable".to_owned()));
    tried.dedup();
    assert!(tried.len() >= 2, "{tried:?}");
}

#[test]
fn where_sign_in_is_required_nobody_passes_without() {
    let mut world = World::new(&json!({ "LOGIN_MODE": "required" }));
    assert_eq!(refused(world.get("/")), (401, "no_session".to_owned()));
    let step = world.ask(
        "GET",
        "/a?b=c d",
        &[("sec-fetch-mode", "navigate")],
        &mut Answers::default(),
    );
    let Step::Answer(answer) = step else {
        panic!("{step:?}")
    };
    assert_eq!(answer.status, 303);
    let location = (
        "location",
        "/_session/login?return_to=/a%3fb%3dc%20d".to_owned(),
    );
    assert!(answer.headers.contains(&location), "{answer:?}");

    world.jar = Some("__Host-session=forged".to_owned());
    let step = world.get("/");
    let Step::Answer(answer) = &step else {
        panic!("{step:?}")
    };
    assert!(
        answer
            .headers
            .iter()
            .any(|(name, value)| *name == "set-cookie" && value.contains("Max-Age=0"))
    );
    assert_eq!(world.reads, 0);
}

#[test]
fn somebody_who_sends_forged_cookies_is_slowed_down_and_nobody_else() {
    let mut world = World::new(&json!({}));
    world.exchange("");
    let good = world.jar.replace("__Host-session=forged".to_owned());
    let statuses: Vec<bool> = (0..400)
        .map(|_| matches!(world.get("/"), Step::Forward(_)))
        .collect();
    assert_eq!(statuses.iter().filter(|passed| **passed).count(), 300);
    assert_eq!(
        refused(world.get("/")),
        (429, "too_many_forgeries".to_owned())
    );
    world.jar = good;
    world.visit();
}

#[test]
fn what_an_origin_answers_wrongly_becomes_a_502() {
    let mut world = World::new(&json!({}));
    let forward = world.visit();
    for status in [0, 42, 100, 199, 600, 999] {
        let settled =
            world
                .gateway
                .settle(&forward.ticket, status, "", world.now, &Answers::default());
        let Settled::Replaced(answer) = settled else {
            panic!("{settled:?}")
        };
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (502, "origin_protocol")
        );
    }
}

#[test]
fn events_name_no_secret() {
    let mut world = World::new(&json!({}));
    world.exchange(
        "x-session-patch\n[\"hunter2\"]\nx-session-ttl\nhunter2\nx-session-rotate\nhunter2",
    );
    let lines: Vec<String> = world
        .gateway
        .take_events()
        .iter()
        .map(Event::to_line)
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let secret = world.jar.unwrap();
    assert!(
        lines
            .iter()
            .all(|line| !line.contains("hunter2") && !line.contains(&secret))
    );
}
