//! Tests the slots for password checks.

use super::*;
use crate::effect::Class;
use serde_json::json;

/// Begins a sign-in from an address up to the count of attempts, which never answers. Returns the refusal's code if no
/// slot is free.
fn begin(world: &mut World, address: &str) -> Option<String> {
    let packed = format!(
        "POST\nhttps://chat.example/_session/login\ncf-connecting-ip\n{address}\ncontent-type\napplication/json"
    );
    let body = json!({ "username": "ada", "password": "a guess at it", "return_to": "/" });
    world.io.body = Some(body.to_string().into_bytes());
    let mut answers = Answers::default();
    loop {
        let request = Request::parse(&packed).unwrap();
        match world
            .gateway
            .admit(&request, Asker::Visitor, world.now, &answers)
        {
            Step::Await(needs) => {
                let is_attempt = |need: &Need| matches!(need, Need::Call { class, .. } if *class == Class::Attempts);
                if needs.iter().any(is_attempt) {
                    return None;
                }
                world.perform(&needs, &mut answers);
            }
            step => return Some(refused(step).1),
        }
    }
}

#[test]
fn hanging_sign_ins_of_one_client_do_not_block_others() {
    let mut world = World::new(&json!({}));
    let mut tenant = deployment(&world.settings).tenant.unwrap();
    tenant.methods.password = true;
    world.gateway = Gateway::new(
        tenant,
        "/_session",
        crate::api::respond,
        ChaCha20Rng::seed_from_u64(1),
    );
    let busy = Some("login_busy".to_owned());
    for _ in 0..3 {
        let begun: Vec<_> = (0..8).map(|_| begin(&mut world, "192.0.2.1")).collect();
        assert_eq!(begun[..2], [None, None]);
        assert!(begun[2..].iter().all(|one| *one == busy), "{begun:?}");
        assert_eq!(begin(&mut world, "203.0.113.1"), None);
        world.wait(3);
    }
}
