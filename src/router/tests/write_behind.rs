//! Tests values that outlive the gateway which queued them.

use super::*;
use crate::effect::Write;
use crate::gateway::write_behind::Merged;
use crate::router::MAX_GATEWAYS;
use crate::tenant_id::TenantId;

const PATCH: &str = "x-session-patch\n{\"a\":1}";

/// Begins a session with a tenant, and confirms a change of it. Returns the tenant and the value that is not stored yet.
fn confirmed(world: &mut World) -> (TenantId, Write) {
    world.tenant("acme", &json!({}));
    let guest = forwarded(world.get("https://acme.example/", &[]));
    let cookie = world.handle_response(&guest, PATCH);
    let forward = forwarded(world.get("https://acme.example/", &[("cookie", &cookie)]));
    let context = &forward.response_context;
    let headers = "x-session-patch\n{\"b\":1}";
    let router = &mut world.router;
    let edits = router.handle_response(context, 200, headers, world.now, &Answers::default());
    assert!(matches!(edits, ResponseAction::Edited(_)), "{edits:?}");
    let [write] = router.take_writes().try_into().unwrap();
    (TenantId::parse("acme").unwrap(), write)
}

#[test]
fn value_of_an_evicted_gateway_is_put_over_an_earlier_version_only() {
    let mut world = World::new();
    let (tenant, write) = confirmed(&mut world);
    world.router.gateways.evict(&tenant);
    assert!(world.router.reads_first(&write.key));
    let now = world.now;
    let earlier = Found::Bytes(world.io.namespace[&write.key].clone());
    let merged = world.router.merge(&write, (&earlier, now), now);
    assert_eq!(merged, Merged::AsIs);
    let unreadable = Found::Bytes(vec![3; 80]);
    let merged = world.router.merge(&write, (&unreadable, now), now);
    assert_eq!(merged, Merged::Nothing);
    let events = world.events();
    for text in ["session_change_lost", "unreadable", "acme"] {
        assert!(events.contains(text), "{events}");
    }
}

#[test]
fn gateway_with_unstored_changes_is_evicted_last() {
    let mut world = World::new();
    let (tenant, write) = confirmed(&mut world);
    for at in 1..MAX_GATEWAYS {
        world.wait(1);
        let id = format!("t{at}");
        world.tenant(&id, &json!({}));
        forwarded(world.get(&format!("https://{id}.example/"), &[]));
    }
    let soon = UnixMillis(world.now.0 - 250_000);
    assert_ne!(world.router.gateways.surplus(soon), Some(tenant.clone()));
    assert!(world.router.stored(&write));
    assert_eq!(world.router.gateways.surplus(soon), Some(tenant));
}
