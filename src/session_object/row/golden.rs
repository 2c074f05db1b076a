//! Checks the rows of session objects, and their outboxes, against those of earlier releases.

use serde_json::{Value, json};

use super::*;
use crate::encoding;
use crate::golden;
use crate::session::id::Handle;
use crate::session_object::outbox::{self, OutboxItem};
use crate::tenant_id::TenantId;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const HANDLE: Handle = Handle([1; 16]);

fn row() -> Row {
    Row {
        serial: 3,
        created: 1_699_999_000,
        longest: 86_400,
        ..Row::adopting(vec![3, 0, 255], UnixSeconds(1_700_000_600))
    }
}

fn rows() -> Vec<(&'static str, Row)> {
    let user = Some([9; 16]);
    let mut listed = Row {
        list_due: true,
        most: Some(3),
        ..row()
    };
    listed.list_under(user);
    listed.list_until(NOW.seconds(), UnixSeconds(1_700_007_200));
    let mut guest = Row {
        list_due: true,
        ..row()
    };
    guest.list_under(None);
    let mut leased = Row {
        lease_once: Some(11),
        ..row()
    };
    leased.set_lease(NOW, UnixMillis(NOW.0 + 30_000), false);
    vec![
        ("taken over from the namespace", row()),
        ("to be listed for a user", listed),
        ("to be listed as a guest's", guest),
        ("leased", leased),
        (
            "to be listed no more",
            Row {
                list_due: true,
                ..row()
            },
        ),
        (
            "changed, to be stored",
            Row {
                namespace_due: true,
                namespace_at: NOW.0 - 5_000,
                applied: vec![7, u64::MAX],
                ..row()
            },
        ),
        (
            "its id was replaced, to be told",
            Row {
                announce_due: true,
                replaced_with: 5,
                ..row()
            },
        ),
        (
            "ended, to be told",
            Row {
                announce_due: true,
                namespace_due: true,
                list_due: true,
                is_ended: true,
                ..row()
            },
        ),
        (
            "waits after failures",
            Row {
                namespace_due: true,
                retries: 4,
                retry_at: NOW.0 + 8_000,
                refresh_after: NOW.0 + 60_000,
                ..row()
            },
        ),
    ]
}

#[test]
fn golden_rows_are_written_and_read() {
    golden::check(
        "session-rows.json",
        &rows(),
        |row| json!(encoding::base64url(&row.encode())),
        |text| Row::decode(&encoding::from_base64url(text.as_str()?)?).ok(),
    );
}

/// A row of a later release is readable. Its unknown fields are dropped, so a release reads and keeps a new field
/// before the next one writes it.
#[test]
fn row_with_an_unknown_field_is_read() {
    let mut encoded = row().encode();
    // One more entry in the map, with key 900: a text.
    assert_eq!(encoded[0] & 0xe0, 0xa0, "a short map");
    encoded[0] += 1;
    encoded.extend(b"\x19\x03\x84\x65later");
    assert_eq!(Row::decode(&encoded), Ok(row()));
}

#[test]
fn golden_outbox_items_are_written() {
    let tenant = TenantId::parse("acme").unwrap();
    let outbox_item = |row: &Row| -> Value {
        match outbox::next(&tenant, HANDLE, &row.encode(), NOW).unwrap().0 {
            OutboxItem::Directory(command) => {
                json!({ "directory": serde_json::from_str::<Value>(&command).unwrap() })
            }
            OutboxItem::Write(write) => json!({ "key": write.key, "ttl": write.ttl.0 }),
            OutboxItem::Sleep(until) => json!({ "sleep": until.0 }),
            OutboxItem::Forget => json!("forget"),
        }
    };
    let outbox_items = rows()
        .into_iter()
        .map(|(name, row)| (name.to_owned(), outbox_item(&row)));
    golden::check_written(
        "session-errands.json",
        &Value::Object(outbox_items.collect()),
    );
}
