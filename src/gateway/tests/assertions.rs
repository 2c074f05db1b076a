//! Assertions of who is speaking.

use super::*;
use crate::encoding::from_base64url;

/// The claims of the assertion that an origin gets; the signature is not this suite's concern.
fn claims(forward: &Forward) -> Value {
    let mut lines = forward.headers.own.lines();
    lines.find(|line| *line == "x-session-assertion").unwrap();
    let claims = lines.next().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&from_base64url(claims).unwrap()).unwrap()
}

#[test]
fn assertion_names_the_session_it_comes_with_from_the_first_request_on() {
    under_both(|consistency| {
        let mut world = World::new(&json!({ "CONSISTENCY": consistency, "ASSERTION": "true" }));
        for controls in ["", "", "x-session-identify\n{\"user\":\"ada\"}", ""] {
            let forward = world.exchange(controls);
            let name = header_value(&forward, "x-session-id").unwrap();
            assert_eq!(claims(&forward)["sid"], name);
            world.wait(30);
        }
        assert_eq!(claims(&world.visit())["sub"], "ada");
    });
}

#[test]
fn waiting_for_a_signature_begins_one_guest() {
    let mut world = World::new(&json!({ "ASSERTION": "true" }));
    world.exchange("");
    let load = &world.gateway.balancer.load;
    let assigned: u64 = ["a", "b", "c"]
        .iter()
        .map(|origin| u64::from(load.under_way(origin)))
        .sum();
    assert_eq!(assigned, 1);
}
