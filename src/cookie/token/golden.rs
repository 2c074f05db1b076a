//! Checks session cookies against those of earlier releases.

use serde_json::json;

use super::*;
use crate::golden;
use crate::keys::DeploymentKeys;
use crate::tenant_id::TenantId;

#[test]
fn golden_cookies_are_written_and_read() {
    let keys = DeploymentKeys::parse(&encoding::base64url(&[1; 32])).unwrap();
    let ring = KeyRing::derive(&keys, &TenantId::parse("acme").unwrap()).unwrap();
    let guest = Token {
        handle: Handle([1; 16]),
        id: SessionId::from_bytes([2; 16]),
        created: UnixSeconds(1_700_000_000),
        issued: UnixSeconds(1_700_000_000),
        least_version: Version::UNSTORED,
    };
    let recorded = Token {
        issued: UnixSeconds(1_700_000_500),
        least_version: Version(7),
        ..guest
    };
    golden::check(
        "cookies.json",
        &[("guest's", guest), ("recorded session's", recorded)],
        |token| json!(token.mint(&ring)),
        |value| Token::opened(value.as_str()?, &ring),
    );
}
