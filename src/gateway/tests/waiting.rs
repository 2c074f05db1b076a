//! Tests newcomers who wait for their turn: at several isolates, with the tenant's pool object and without.

use super::*;
use crate::balancer::pool_aggregate::PoolAggregate;
use crate::cookie::token::Token;
use crate::encoding::base64url;
use crate::keys::{DeploymentKeys, KeyRing};
use crate::session::id::{Handle, SessionId};
use crate::session::record::Version;

/// Isolates of one tenant, with one pool object and one server that has room for two conversations.
struct Isolates {
    world: World,
    others: Vec<Gateway>,
}

/// Cookies of one newcomer.
#[derive(Clone, Default)]
struct Newcomer {
    jar: Option<String>,
    address: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Session,
    Place(u64),
    /// Refused, with or without a ticket.
    Refused(u16, bool),
}

use Answered::{Place, Refused, Session};

fn isolates(changes: &Value) -> Isolates {
    let mut settings = json!({
        "ORIGINS": "a=http://a:1;capacity=2", "OVERLOAD_QUEUE": "3",
        "LOGIN_MODE": "off",
    });
    for (name, value) in changes.as_object().unwrap() {
        settings[name] = value.clone();
    }
    let mut world = World::new(&settings);
    world.io.pool = Some(PoolAggregate::default());
    let others = vec![gateway(&settings, 2), gateway(&settings, 3)];
    Isolates { world, others }
}

impl Isolates {
    /// Continues at another isolate.
    fn next(&mut self) {
        core::mem::swap(&mut self.world.gateway, &mut self.others[0]);
        self.others.rotate_left(1);
    }

    /// Sets the requests in flight at the server, all of one isolate, and lets the others learn it.
    fn busy(&mut self, under_way: u32) {
        for at in 0..6 {
            self.world
                .busy("a", if at % 3 == 0 { under_way } else { 0 });
            let gateway = &mut self.world.gateway;
            let mut answers = Answers::default();
            let need = gateway.balancer.sync_origins(&answers, self.world.now);
            self.world.perform(&Vec::from_iter(need), &mut answers);
            let gateway = &mut self.world.gateway;
            gateway.balancer.sync_origins(&answers, self.world.now);
            self.next();
        }
        self.world.io.calls = 0;
    }

    /// Asks at another isolate each time.
    fn ask(&mut self, newcomer: &mut Newcomer) -> Answered {
        self.next();
        self.ask_here(newcomer)
    }

    fn ask_here(&mut self, newcomer: &mut Newcomer) -> Answered {
        let world = &mut self.world;
        world.jar = newcomer.jar.take();
        let before = world.jar.clone();
        let headers: &[(&str, &str)] = match newcomer.address {
            "" => &[],
            address => &[("cf-connecting-ip", address)],
        };
        let step = world.send("GET", "/", headers, &mut Answers::default());
        match step {
            Step::Forward(forward) => {
                world.answer(&forward, "");
                newcomer.jar = world.jar.take();
                Session
            }
            Step::Answer(answer) => {
                let has_ticket = world.jar != before;
                newcomer.jar = world.jar.take();
                let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                match body["place"].as_u64() {
                    Some(place) => {
                        assert_eq!((answer.status, code(&answer).as_str()), (503, "overloaded"));
                        Place(place)
                    }
                    None => Refused(answer.status, has_ticket),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self, seconds: u64) {
        self.world.wait(seconds);
    }
}

fn newcomers<const N: usize>() -> [Newcomer; N] {
    core::array::from_fn(|_| Newcomer::default())
}

#[test]
fn newcomers_are_admitted_in_order_of_arrival_at_any_isolate() {
    for consistency in CONSISTENCIES {
        let mut isolates = isolates(&json!({ "CONSISTENCY": consistency }));
        let [mut first, mut second, mut late] = newcomers();
        let ask = |isolates: &mut Isolates, newcomer: &mut Newcomer| match consistency {
            "strong" => isolates.ask(newcomer),
            // With KV alone each isolate has a queue of its own.
            _ => isolates.ask_here(newcomer),
        };
        isolates.busy(2);
        assert_eq!(ask(&mut isolates, &mut first), Place(1), "{consistency}");
        isolates.wait(2);
        assert_eq!(ask(&mut isolates, &mut second), Place(2), "{consistency}");
        isolates.wait(3);
        isolates.busy(1);
        // There is room for one, and it belongs to the first in line.
        assert_eq!(ask(&mut isolates, &mut late), Place(3), "{consistency}");
        assert_eq!(ask(&mut isolates, &mut second), Place(2), "{consistency}");
        assert_eq!(ask(&mut isolates, &mut first), Session, "{consistency}");
        assert_eq!(ask(&mut isolates, &mut second), Place(1), "{consistency}");
        assert_eq!(ask(&mut isolates, &mut late), Place(2), "{consistency}");
        assert_eq!(ask(&mut isolates, &mut first), Session, "it has a session");
    }
}

#[test]
fn only_a_full_tenant_asks_the_object_for_a_turn() {
    let mut isolates = isolates(&json!({}));
    for _ in 0..3 {
        assert_eq!(isolates.ask(&mut Newcomer::default()), Session);
    }
    assert_eq!(isolates.world.io.calls, 3, "an exchange for each isolate");
    isolates.busy(0);
    for _ in 0..3 {
        assert_eq!(isolates.ask(&mut Newcomer::default()), Session);
    }
    assert_eq!(isolates.world.io.calls, 0);
}

#[test]
fn newcomer_without_a_ticket_does_not_overtake_at_an_isolate_that_knows_of_no_queue() {
    let mut isolates = isolates(&json!({}));
    isolates.busy(2);
    let mut first = Newcomer::default();
    assert_eq!(isolates.ask(&mut first), Place(1));
    isolates.busy(1);
    let mut next = Newcomer::default();
    assert_eq!(isolates.ask(&mut next), Place(2));
    assert_eq!(isolates.ask(&mut first), Session);
}

#[test]
fn newcomer_beyond_the_bound_is_refused_without_a_ticket() {
    let mut isolates = isolates(&json!({}));
    isolates.busy(2);
    for place in 1..=3 {
        assert_eq!(isolates.ask(&mut Newcomer::default()), Place(place));
    }
    let mut fourth = Newcomer::default();
    assert_eq!(isolates.ask(&mut fourth), Refused(503, false));
    isolates.wait(11);
    isolates.busy(2);
    assert_eq!(isolates.ask(&mut fourth), Place(1), "the others have left");
}

#[test]
fn forged_and_expired_tickets_give_no_place() {
    let mut isolates = isolates(&json!({}));
    isolates.busy(2);
    let [mut first, mut second] = newcomers();
    assert_eq!(isolates.ask(&mut first), Place(1));
    assert_eq!(isolates.ask(&mut second), Place(2));
    let ticket = first.jar.clone().unwrap();
    let mut forged = Newcomer {
        jar: Some(format!("{}A", &ticket[..ticket.len() - 1])),
        ..first.clone()
    };
    assert_eq!(isolates.ask(&mut forged), Place(3));
    for place in [2].into_iter().chain([1; 12]) {
        isolates.wait(5);
        assert_eq!(isolates.ask(&mut second), Place(place));
    }
    let mut returning = Newcomer {
        jar: Some(ticket),
        ..first
    };
    assert_eq!(isolates.ask(&mut returning), Place(2), "it arrives anew");
}

#[test]
fn cookie_of_an_invented_key_saves_nobody_from_waiting_to_sign_in() {
    let mut isolates = isolates(&json!({}));
    isolates.busy(2);
    let world = &mut isolates.world;
    let mut tenant = deployment(&world.settings).tenant.unwrap();
    tenant.methods.password = true;
    let id = tenant.id.clone();
    world.gateway.reload(tenant);
    let invented = DeploymentKeys::parse(&base64url(&[9; 32])).unwrap();
    let token = Token {
        handle: Handle([8; 16]),
        id: SessionId::from_bytes([9; 16]),
        created: world.now.seconds(),
        issued: world.now.seconds(),
        least_version: Version(1),
    };
    let invented = token.mint(&KeyRing::derive(&invented, &id).unwrap());
    for jar in [None, Some(format!("__Host-session={invented}"))] {
        world.jar = jar;
        let headers = [("content-type", "application/json")];
        let step = world.send("POST", "/_session/login", &headers, &mut Answers::default());
        assert_eq!(refused(step), (503, "overloaded".to_owned()));
    }
}

#[test]
fn silent_object_refuses_as_without_a_queue_and_no_place_is_lost() {
    let mut isolates = isolates(&json!({}));
    isolates.busy(2);
    let [mut first, mut second] = newcomers();
    assert_eq!(isolates.ask(&mut first), Place(1));
    let object = isolates.world.io.pool.take();
    isolates.wait(5);
    isolates.world.gateway.recorder.take_events();
    assert_eq!(isolates.ask(&mut first), Refused(503, true));
    let events = isolates.world.gateway.recorder.take_events();
    let names: Vec<&str> = events
        .iter()
        .map(crate::telemetry::log::Event::name)
        .collect();
    assert!(names.contains(&"queue_unavailable"), "{names:?}");
    assert_eq!(isolates.ask(&mut second), Refused(503, true));
    isolates.world.io.pool = object.map(|_| PoolAggregate::default());
    isolates.wait(5);
    isolates.busy(2);
    assert_eq!(isolates.ask(&mut second), Place(1));
    assert_eq!(isolates.ask(&mut first), Place(1));
    assert_eq!(isolates.ask(&mut second), Place(2), "it came later");
}

#[test]
fn silent_object_keeps_nobody_out_while_there_is_room() {
    let mut isolates = isolates(&json!({}));
    isolates.world.io.pool = None;
    assert_eq!(isolates.ask(&mut Newcomer::default()), Session);
}

#[test]
fn limit_of_new_sessions_counts_places_once() {
    let mut isolates = isolates(&json!({ "NEW_SESSIONS_PER_MINUTE": "2" }));
    isolates.busy(2);
    let address = "192.0.2.1";
    let mut mine: [Newcomer; 3] = core::array::from_fn(|_| Newcomer {
        address,
        ..Newcomer::default()
    });
    assert_eq!(isolates.ask_here(&mut mine[0]), Place(1));
    assert_eq!(isolates.ask_here(&mut mine[1]), Place(2));
    assert_eq!(isolates.ask_here(&mut mine[2]), Refused(429, false));
    for _ in 0..4 {
        isolates.wait(5);
        assert_eq!(isolates.ask_here(&mut mine[0]), Place(1));
        assert_eq!(isolates.ask_here(&mut mine[1]), Place(2));
    }
}

#[test]
fn ticket_that_admitted_twice_admits_no_more() {
    let mut isolates = isolates(&json!({ "ORIGINS": "a=http://a:1;capacity=9" }));
    isolates.busy(9);
    let mut first = Newcomer::default();
    assert_eq!(isolates.ask(&mut first), Place(1));
    isolates.busy(3);
    let mut copies: [Newcomer; 3] = core::array::from_fn(|_| first.clone());
    let [one, two, three] = &mut copies;
    assert_eq!(isolates.ask(one), Session);
    assert_eq!(isolates.ask(two), Session);
    assert_eq!(isolates.ask(three), Refused(503, true));
    assert_eq!(three.jar, None, "the ticket is taken away");
    assert_eq!(isolates.ask(three), Session, "and its owner arrives anew");
}

#[test]
fn gray_release_with_room_takes_its_newcomers_past_the_queue() {
    let mut isolates = isolates(&json!({
        "ORIGINS": "a=http://a:1;capacity=2,v2=http://v:1;release=v2",
        "RELEASES": "v2: 100% if x-beta is 1",
    }));
    isolates.busy(2);
    assert_eq!(isolates.ask(&mut Newcomer::default()), Place(1));
    isolates.world.jar = None;
    let beta = [("x-beta", "1")];
    let step = isolates
        .world
        .send("GET", "/", &beta, &mut Answers::default());
    assert_eq!(forwarded(step).origin, "v2");
}
