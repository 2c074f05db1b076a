//! Counts the allocations of a warm request, so that an increase fails a test.

use serde_json::json;

use super::{World, forwarded};
use crate::effect::Answers;
use crate::gateway::Step;

/// Maximum allocations. The benchmark counts fewer, because it is optimised.
const MAX_COUNT: u64 = 30;

#[test]
fn warm_request_allocates_little() {
    let mut world = World::new();
    world.tenant("acme", &json!({}));
    let forward = forwarded(world.get("https://acme.example/", &[]));
    let cookie = world.handle_response(&forward, "x-session-patch\n{\"tier\":\"pro\"}");
    let headers = [
        ("accept", "text/html"),
        ("cookie", cookie.as_str()),
        ("user-agent", "Mozilla/5.0"),
    ];
    forwarded(world.get("https://acme.example/", &headers));
    let packed: String = headers
        .iter()
        .map(|(name, value)| format!("\n{name}\n{value}"))
        .collect();
    let packed = format!("GET\nhttps://acme.example/{packed}");
    let nothing = Answers::default();
    let allocated = allocation_counter::measure(|| {
        let step = world.router.admit(&packed, world.now, &nothing);
        assert!(matches!(step, Step::Forward(_)), "{step:?}");
    });
    assert!(allocated.count_total <= MAX_COUNT, "{allocated:?}");
}
