//! The `Cookie` header and the cookie's value: nothing verifies but what was minted.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use vestibule::clock::UnixSeconds;
use vestibule::cookie::jar;
use vestibule::cookie::presented::Presented;
use vestibule::cookie::token::Token;
use vestibule::encoding::base64url;
use vestibule::keys::{DeploymentKeys, KeyRing};
use vestibule::session::id::{Handle, SessionId};
use vestibule::session::record::Version;
use vestibule::tenant_id::TenantId;

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let keys = DeploymentKeys::parse(&base64url(&[7; 32])).unwrap();
    KeyRing::derive(&keys, &TenantId::parse("t").unwrap()).unwrap()
});

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = core::str::from_utf8(bytes) {
        let found = Presented::find(header, "__Host-session", &KEYS, NOW);
        assert!(!matches!(found, Presented::Genuine { .. }));
        let _ = jar::without(header, |name| name == "session", |name| name == "vault");
        assert!(Token::verify(header, &KEYS, NOW).is_err());
    }
    // What is minted from these bytes verifies, and says what it was given.
    let Some((handle, rest)) = bytes.split_first_chunk::<16>() else {
        return;
    };
    let Some((id, rest)) = rest.split_first_chunk::<16>() else {
        return;
    };
    let token = Token {
        handle: Handle(*handle),
        id: SessionId::from_bytes(*id),
        created: UnixSeconds(1_600_000_000),
        issued: NOW,
        least_version: Version(rest.len() as u64),
    };
    let value = token.mint(&KEYS);
    assert_eq!(Token::verify(&value, &KEYS, NOW).map(|verified| verified.token), Ok(token));
});
