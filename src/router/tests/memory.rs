//! Checks that the sessions of many active tenants stay within the memory limit of an isolate.

use serde_json::json;

use super::{World, forwarded};
use crate::router::Router;
use crate::store::cache::ISOLATE_WEIGHT;

const TENANTS: usize = 40;
const VISITORS: usize = 60;

fn remembered(router: &Router, id: &str) -> usize {
    let mut gateways = router.gateways.iter();
    let (_, gateway) = gateways.find(|(tenant, _)| tenant.as_str() == id).unwrap();
    gateway.sessions.weight()
}

#[test]
fn memory_of_all_tenants_is_bounded_and_the_latest_is_kept() {
    let mut world = World::new();
    let patch = format!("x-session-patch\n{}", json!({ "text": "x".repeat(8_000) }));
    for at in 0..TENANTS {
        let id = format!("t{at}");
        world.tenant(&id, &json!({}));
        world.wait(1);
        for _ in 0..VISITORS {
            let forward = forwarded(world.get(&format!("https://{id}.example/"), &[]));
            world.handle_response(&forward, &patch);
        }
        let sum: usize = world
            .router
            .gateways
            .iter()
            .map(|(_, gateway)| gateway.sessions.weight())
            .sum();
        assert_eq!(world.router.gateways.weight(), sum);
        assert!(sum <= ISOLATE_WEIGHT, "{sum} after {at}");
    }
    let all = TENANTS * remembered(&world.router, "t39");
    assert!(all > ISOLATE_WEIGHT, "too few to matter: {all}");
    assert_eq!(remembered(&world.router, "t0"), 0);
    assert!(remembered(&world.router, "t38") > 0);
}
