//! Describes a session in a list.

use serde_json::{Map, Value};

use crate::encoding::json;
use crate::encoding::object;
use crate::gateway::Gateway;
use crate::session::record::Record;

/// Returns the members that a list shows of a session.
pub(super) fn summarise(gateway: &Gateway, record: &Record) -> Map<String, Value> {
    let tenant = &gateway.tenant;
    let pinned = record.pin.as_deref();
    let hashed = gateway.balancer.hashed(record.handle, record.created);
    object([
        ("handle", json!(record.public_name())),
        ("created", json!(record.created.0)),
        ("last_seen", json!(record.seen.0)),
        ("expires", json!(tenant.lifetime.end(&record.span()).0)),
        ("device", json!(record.device)),
        ("browser", json!(record.browser)),
        ("country", json!(record.country)),
        ("path", json!(record.path)),
        (
            "origin",
            json!(pinned.or(hashed.map(|origin| origin.name.as_str()))),
        ),
        ("user", json!(record.identity.as_ref().map(|who| &who.user))),
    ])
}
