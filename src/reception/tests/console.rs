//! Operators' sessions at the console, with KV alone.

use serde_json::json;

use super::World;
use crate::answer::Answer;
use crate::gateway::Step;

const TOKEN: &str = "operators-know-this-token";
const URL: &str = "https://console.example/_session/admin/";

fn world() -> World {
    let mut world =
        World::with(&json!({ "ADMIN_TOKEN": TOKEN, "CONSOLE_HOST": "console.example" }));
    world.tenant("acme", &json!({}));
    world
}

fn answered(step: Step) -> Answer {
    match step {
        Step::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn signed_in(world: &mut World) -> String {
    world.outside.body = Some(json!({ "token": TOKEN }).to_string().into_bytes());
    let headers = [("content-type", "application/json")];
    let answer = answered(world.request("POST", &format!("{URL}sign-in"), &headers));
    assert_eq!(answer.status, 204, "{}", answer.body);
    let (_, line) = answer
        .headers
        .iter()
        .find(|(name, _)| *name == "set-cookie")
        .unwrap();
    line.split(';').next().unwrap().to_owned()
}

fn whoami(world: &mut World, cookie: &str) -> u16 {
    answered(world.get(&format!("{URL}whoami"), &[("cookie", cookie)])).status
}

#[test]
fn who_signs_out_has_signed_out_of_copies_too() {
    let mut world = world();
    let (one, other) = (signed_in(&mut world), signed_in(&mut world));
    assert_ne!(one, other);
    assert_eq!(whoami(&mut world, &one), 200);
    let url = format!("{URL}sign-out");
    let cookie = [("cookie", one.as_str())];
    assert_eq!(answered(world.request("POST", &url, &cookie)).status, 204);
    assert_eq!(
        (whoami(&mut world, &one), whoami(&mut world, &other)),
        (401, 200)
    );
}

#[test]
fn who_cannot_be_signed_out_is_told_so_and_nobody_is_let_in_unasked() {
    let mut world = world();
    let cookie = signed_in(&mut world);
    let url = format!("{URL}sign-out");
    world.outside.silent.writes = true;
    let answer = answered(world.request("POST", &url, &[("cookie", &cookie)]));
    assert_eq!(answer.status, 503);
    assert!(answer.headers.iter().all(|(name, _)| *name != "set-cookie"));
    world.outside.silent.reads = true;
    assert_eq!(whoami(&mut world, &cookie), 503);
}
