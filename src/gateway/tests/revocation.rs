//! Tests revocations from elsewhere: of one session, of a user's, of all.

use super::*;
use crate::auth::login_throttle::message::{Reply, Verdict as Allowance};
use crate::effect::{Class, Found};
use serde_json::json;

pub(super) const ADMIN: &str = "an-admin-token-for-tests";

pub(super) fn world(consistency: &str) -> World {
    World::new(&json!({ "CONSISTENCY": consistency, "ADMIN_TOKEN": ADMIN }))
}

pub(super) fn sign_in(world: &mut World, user: &str) -> Forward {
    world.jar = None;
    world.exchange("");
    world.exchange(&format!("x-session-identify\n{{\"user\":\"{user}\"}}"));
    world.visit()
}

/// Waits until no isolate may use an older state.
pub(super) fn settle_down(world: &mut World, consistency: &str) {
    world.wait(if consistency == "strong" { 5 } else { 60 });
}

#[test]
fn identify_is_logged_and_changes_the_id() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let guest = world.exchange("");
        let old = world.jar.clone();
        world.exchange(
            "x-session-identify\n{\"user\":\"u1\",\"email\":\"u@x.example\",\"groups\":[\"a\",\"b\"]}",
        );
        let signed_in = world.jar.clone();
        let user = world.visit();
        assert_eq!(header_value(&user, "x-session-user"), Some("u1"));
        assert_eq!(header_value(&user, "x-session-email"), Some("u@x.example"));
        assert_eq!(header_value(&user, "x-session-groups"), Some("a,b"));
        assert_eq!(header_value(&user, "x-session-name"), None);
        assert_ne!(
            header_value(&user, "x-session-id"),
            header_value(&guest, "x-session-id")
        );
        // The previous id has no grace period, so an attacker who planted it is not signed in.
        world.jar = old;
        assert_eq!(
            refused(world.get("/")),
            (409, "session_replaced".to_owned())
        );
        assert!(world.jar.is_some(), "the browser keeps its newer cookie");
        world.wait(31);
        assert_eq!(refused(world.get("/")), (401, "session_rotated".to_owned()));
        world.jar = signed_in;
        world.exchange("x-session-rotate\n1");
        assert_eq!(
            header_value(&world.visit(), "x-session-id"),
            header_value(&user, "x-session-id")
        );
    });
}

#[test]
fn guest_cookie_from_before_the_sign_in_works_as_the_guest_only() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let guest = world.exchange("");
        let planted = world.jar.clone();
        world.exchange("x-session-identify\n{\"user\":\"u1\"}");
        let user = world.visit();
        // A new isolate cannot tell that a record exists.
        world.move_to_another_isolate();
        world.jar = planted;
        let thief = world.visit();
        assert_eq!(header_value(&thief, "x-session-user"), None);
        assert_eq!(header_value(&thief, "x-session-data"), None);
        assert_eq!(
            header_value(&thief, "x-session-id"),
            header_value(&guest, "x-session-id")
        );
        assert_ne!(
            header_value(&thief, "x-session-id"),
            header_value(&user, "x-session-id")
        );
        assert_eq!(
            user.origin, guest.origin,
            "the conversation stays where it is"
        );
    });
}

#[test]
fn sign_out_everywhere_ends_all_sessions_of_the_user_only() {
    under_both(|consistency| {
        let mut world = world(consistency);
        let mut jars = Vec::new();
        for user in ["u1", "u1", "u1", "u2"] {
            world.move_to_another_isolate();
            sign_in(&mut world, user);
            jars.push(world.jar.clone());
        }
        // With KV alone revocation epochs are times.
        world.wait(1);
        // This isolate has all sessions in memory, and learns of the revocation from elsewhere.
        world.move_to_another_isolate();
        for jar in &jars {
            world.jar.clone_from(jar);
            world.visit();
        }
        let mut elsewhere = gateway(&world.settings, 99);
        core::mem::swap(&mut world.gateway, &mut elsewhere);
        world.jar.clone_from(&jars[0]);
        let step = world.call(
            "POST",
            "/_session/logout",
            None,
            &json!({ "everywhere": true }),
        );
        assert_eq!(refused(step).0, 204);
        core::mem::swap(&mut world.gateway, &mut elsewhere);
        settle_down(&mut world, consistency);
        for jar in &jars[..3] {
            world.jar.clone_from(jar);
            assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
        }
        world.jar.clone_from(&jars[3]);
        world.visit();
        // A user who signs in again right afterwards stays signed in.
        world.wait(1);
        sign_in(&mut world, "u1");
        settle_down(&mut world, consistency);
        assert_eq!(header_value(&world.visit(), "x-session-user"), Some("u1"));
    });
}

#[test]
fn concurrent_sign_in_does_not_escape_a_revocation() {
    let mut world = world("strong");
    sign_in(&mut world, "u1");
    let first = world.jar.clone();
    // The sign-in reads the feed, then the revocation comes, then the sign-in is recorded.
    world.jar = None;
    let guest = world.exchange("");
    let mut answers = Answers::default();
    let headers = "x-session-identify\n{\"user\":\"u1\"}";
    let handle_response = |world: &mut World, answers: &Answers| {
        world
            .gateway
            .handle_response(&guest.response_context, 200, headers, world.now, answers)
    };
    let ResponseAction::Await(feed) = handle_response(&mut world, &answers) else {
        panic!("the feed is read first");
    };
    world.perform(&feed, &mut answers);
    let ResponseAction::Await(change) = handle_response(&mut world, &answers) else {
        panic!("then it is recorded");
    };
    let mut elsewhere = World {
        jar: first,
        io: core::mem::take(&mut world.io),
        ..World::new(&world.settings.clone())
    };
    let everywhere = json!({ "everywhere": true });
    elsewhere.call("POST", "/_session/logout", None, &everywhere);
    world.io = elsewhere.io;
    world.perform(&change, &mut answers);
    let ResponseAction::Edited(edits) = handle_response(&mut world, &answers) else {
        panic!("signed in");
    };
    world.take_cookie(&edits.append);
    world.wait(5);
    assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
}

#[test]
fn surplus_session_ends_the_oldest() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency, "MAX_PER_USER": "2" }));
        let mut jars = Vec::new();
        for _ in 0..3 {
            sign_in(&mut world, "u1");
            jars.push(world.jar.clone());
            world.wait(10);
        }
        world.move_to_another_isolate();
        let live: Vec<bool> = jars
            .iter()
            .map(|jar| {
                world.jar.clone_from(jar);
                matches!(world.get("/"), Step::Forward(_))
            })
            .collect();
        assert_eq!(live, [false, true, true]);
    });
}

#[test]
fn unavailable_revocations_mean_degraded_and_one_poll_a_second() {
    let mut world = world("strong");
    sign_in(&mut world, "u1");
    world.io.silent.directory = true;
    world.wait(5);
    for _ in 0..10 {
        let forward = world.visit();
        assert_eq!(header_value(&forward, "x-session-state"), Some("degraded"));
    }
    world.io.silent.directory = false;
    world.wait(1);
    assert_eq!(
        header_value(&world.visit(), "x-session-state"),
        Some("active")
    );
}

#[test]
fn id_from_before_a_sign_in_is_rejected_by_a_stale_isolate() {
    let mut world = world("strong");
    world.exchange("x-session-patch\n{\"a\":1}");
    let before = world.jar.clone();
    world.visit();
    // The guest signs in elsewhere, and the namespace is behind from now on.
    let mut elsewhere = gateway(&world.settings, 99);
    world.io.holds_back = true;
    core::mem::swap(&mut world.gateway, &mut elsewhere);
    world.exchange("x-session-identify\n{\"user\":\"u1\"}");
    core::mem::swap(&mut world.gateway, &mut elsewhere);
    world.wait(5);
    world.jar = before;
    assert_eq!(
        refused(world.get("/")),
        (409, "session_replaced".to_owned())
    );
    world.wait(31);
    assert_eq!(refused(world.get("/")), (401, "session_rotated".to_owned()));
}

#[test]
fn sign_out_with_a_previous_id_ends_the_session() {
    under_both(|consistency| {
        let mut world = world(consistency);
        world.exchange("x-session-patch\n{\"a\":1}");
        let before = world.jar.clone();
        world.exchange("x-session-identify\n{\"user\":\"u1\"}");
        let after = core::mem::replace(&mut world.jar, before);
        let step = world.call("POST", "/_session/logout", None, &Value::Null);
        assert_eq!(refused(step).0, 204);
        world.jar = after;
        assert_eq!(refused(world.get("/")), (401, "session_ended".to_owned()));
    });
}

#[test]
fn cross_site_request_ends_no_session() {
    let mut world = world("strong");
    let victim = sign_in(&mut world, "u1");
    let path = format!(
        "/_session/sessions/{}",
        header_value(&victim, "x-session-id").unwrap()
    );
    for header in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let step = world.send("DELETE", &path, &[header], &mut Answers::default());
        assert_eq!(refused(step), (403, "csrf".to_owned()));
    }
    world.visit();
}

#[test]
fn foreign_session_in_a_list_is_not_shown() {
    let mut world = world("eventual");
    sign_in(&mut world, "victim");
    let listed = |world: &World| -> Vec<String> {
        let keys = world.io.namespace.keys();
        keys.filter(|key| key.starts_with("i:")).cloned().collect()
    };
    let theirs = listed(&world).pop().unwrap();
    sign_in(&mut world, "u1");
    let mine = listed(&world)
        .into_iter()
        .find(|key| *key != theirs)
        .unwrap();
    let tag = mine.split(':').nth(2).unwrap();
    let place = theirs.splitn(4, ':').nth(3).unwrap();
    let planted = format!("i:default:{tag}:{place}");
    world.io.namespace.insert(planted, Vec::new());
    let Step::Answer(answer) = world.call("GET", "/_session/sessions", None, &Value::Null) else {
        panic!("no answer");
    };
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["sessions"].as_array().unwrap().len(), 1, "{body}");
}

#[test]
fn age_of_revocations_counts_from_the_request() {
    let mut world = world("strong");
    sign_in(&mut world, "u1");
    world.move_to_another_isolate();
    let mut answers = Answers::default();
    let cookie = world.jar.clone().unwrap();
    let packed = format!("GET\nhttps://chat.example/\ncookie\n{cookie}");
    let Step::Await(needs) = world.gateway.admit(
        &Request::parse(&packed).unwrap(),
        Asker::Visitor,
        world.now,
        &answers,
    ) else {
        panic!("an isolate that knows nothing asks");
    };
    world.perform(&needs, &mut answers);
    // The session ends. The pending answers arrive too late to count.
    let here = core::mem::replace(&mut world.gateway, gateway(&world.settings, 9));
    world.call("POST", "/_session/logout", None, &Value::Null);
    world.gateway = here;
    world.wait(6);
    world.jar = Some(cookie);
    assert_eq!(
        refused(world.send("GET", "/", &[], &mut answers)),
        (401, "session_ended".to_owned())
    );
}

#[test]
fn session_after_a_tenant_revocation_is_unaffected() {
    under_both(|consistency| {
        let mut world = world(consistency);
        // This isolate polls revocations, then not for a while.
        sign_in(&mut world, "u1");
        settle_down(&mut world, consistency);
        world.jar = None;
        let all = "/_session/admin/sessions?all=true";
        let sent_away = world.call("DELETE", all, Some(ADMIN), &Value::Null);
        assert_eq!(refused(sent_away).0, 204);
        settle_down(&mut world, consistency);
        world.jar = None;
        world.exchange("");
        world.exchange("x-session-patch\n{\"a\":1}");
        let visit = world.visit();
        assert_eq!(header_value(&visit, "x-session-data"), Some("{\"a\":1}"));
        settle_down(&mut world, consistency);
        assert_eq!(
            header_value(&world.visit(), "x-session-data"),
            Some("{\"a\":1}")
        );
    });
}

#[test]
fn unannounced_account_change_still_ends_its_sessions() {
    for (method, body) in [
        ("DELETE", Value::Null),
        ("PUT", json!({ "disabled": true })),
    ] {
        let mut world = world("strong");
        sign_in(&mut world, "ada");
        let account = json!({ "user": "ada", "password": "x" }).to_string();
        let key = "user:default:ada".to_owned();
        world
            .io
            .documents
            .insert(key.clone(), Found::Bytes(account.clone().into_bytes()));
        world.io.body = Some(body.to_string().into_bytes());
        let packed = format!(
            "{method}\nhttps://chat.example/_session/admin/users/ada\nauthorization\nBearer {ADMIN}"
        );
        let packed = format!("{packed}\ncontent-type\napplication/json");
        let mut answers = Answers::default();
        let step = loop {
            let request = Request::parse(&packed).unwrap();
            let needs = match world
                .gateway
                .admit(&request, Asker::Operator, world.now, &answers)
            {
                Step::Await(needs) => needs,
                step => break step,
            };
            for need in needs {
                match &need {
                    // The counting object answers before the change is stored, but not afterwards.
                    Need::Call { class, key, .. }
                        if *class == Class::Attempts && answers.written().is_none() =>
                    {
                        let reply = Reply {
                            verdict: Allowance::Allowed,
                            change: None,
                        };
                        let reply = Found::Bytes(reply.to_text().into_bytes());
                        answers.add(key, reply, world.now);
                    }
                    _ => world.perform(&[need], &mut answers),
                }
            }
        };
        assert_eq!(refused(step), (503, "accounts_unavailable".to_owned()));
        let kept = world.io.documents.get(&key);
        assert_ne!(kept, Some(&Found::Bytes(account.into_bytes())), "{method}");
        settle_down(&mut world, "strong");
        assert_eq!(refused(world.get("/")).1, "session_ended", "{method}");
    }
}
