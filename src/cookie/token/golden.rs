//! Checks session cookies against those of earlier releases.

use serde_json::json;

use super::*;
use crate::golden;
use crate::keys::DeploymentKeys;
use crate::tenant_id::TenantId;

#[test]
fn golden_cookies_are_written_and_read() {
    check("cookies.json", &encoding::base64url(&[1; 32]));
}

#[test]
fn golden_cookies_of_numbered_key_lists_are_written_and_read() {
    let [signing, previous] = [1, 9].map(|byte| encoding::base64url(&[byte; 32]));
    let list = format!("epoch=258,{signing},{previous}");
    check("cookies-of-numbered-lists.json", &list);
}

fn check(file: &str, list: &str) {
    let keys = DeploymentKeys::parse(list).unwrap();
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
        file,
        &[("guest's", guest), ("recorded session's", recorded)],
        |token| json!(token.mint(&ring)),
        |value| Token::opened(value.as_str()?, &ring),
    );
}
