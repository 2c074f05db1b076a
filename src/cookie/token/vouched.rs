//! Tests of cookies whose key a listed key vouches for: format 3.

use super::*;
use crate::keys::DeploymentKeys;
use crate::tenant_id::TenantId;

const NOW: UnixSeconds = UnixSeconds(1_700_000_200);
const LATER: Result<Verified, Unverified> = Err(Unverified::UnknownKey { vouched: true });
const FORGED: Result<Verified, Unverified> = Err(Unverified::Forged);

/// Returns the ring of a list of keys, numbered unless `epoch` is 0.
fn ring(epoch: u32, keys: &[u8]) -> KeyRing {
    ring_of("t1", epoch, keys)
}

fn ring_of(tenant: &str, epoch: u32, keys: &[u8]) -> KeyRing {
    let keys = keys.iter().map(|byte| encoding::base64url(&[*byte; 32]));
    let number = (epoch > 0).then(|| format!("epoch={epoch}"));
    let list: Vec<String> = number.into_iter().chain(keys).collect();
    let keys = DeploymentKeys::parse(&list.join(",")).unwrap();
    KeyRing::derive(&keys, &TenantId::parse(tenant).unwrap()).unwrap()
}

fn token() -> Token {
    Token {
        handle: Handle([8; 16]),
        id: SessionId::from_bytes([9; 16]),
        created: UnixSeconds(1_700_000_000),
        issued: UnixSeconds(1_700_000_100),
        least_version: Version(0x0102_0304_0506),
    }
}

fn verified(by: &KeyRing, value: &str) -> Result<Verified, Unverified> {
    Token::verify(value, by, NOW)
}

#[test]
fn numbered_list_issues_longer_cookies_and_reads_both() {
    let (plain, numbered) = (ring(0, &[1]), ring(1, &[1]));
    let value = token().mint(&numbered);
    assert_eq!(value.len(), 116);
    for (value, reader) in [
        (&value, &numbered),
        (&value, &plain),
        (&token().mint(&plain), &numbered),
    ] {
        let expected = Verified {
            token: token(),
            retired_key: false,
        };
        assert_eq!(verified(reader, value), Ok(expected));
    }
}

#[test]
fn every_step_of_a_rotation_verifies_what_its_neighbours_sign() {
    let steps = [
        ring(1, &[1]),
        ring(2, &[1, 2]),
        ring(3, &[2, 1]),
        ring(4, &[2]),
    ];
    for pair in steps.windows(2) {
        let [before, after] = pair else { continue };
        // A cookie of the removed key is of the step before the previous one; every other is genuine on both sides.
        let is_removal = !after.all().any(|key| key.id == before.signing().id);
        assert!(!is_removal);
        assert!(verified(after, &token().mint(before)).is_ok());
        assert!(verified(before, &token().mint(after)).is_ok());
    }
}

#[test]
fn earlier_list_keeps_cookies_of_a_key_it_does_not_have_at_any_age() {
    let value = token().mint(&ring(3, &[2, 1]));
    for earlier in [ring(0, &[1]), ring(1, &[1]), ring(2, &[9, 1])] {
        assert_eq!(verified(&earlier, &value), LATER);
        let far = UnixSeconds(NOW.0 + 90 * 86_400);
        assert_eq!(Token::verify(&value, &earlier, far), LATER);
    }
}

#[test]
fn later_list_and_the_same_one_reject_a_missing_key_at_once() {
    let value = token().mint(&ring(3, &[2, 1]));
    for later in [ring(3, &[1]), ring(4, &[1]), ring(130, &[1])] {
        assert_eq!(verified(&later, &value), FORGED);
    }
}

#[test]
fn key_that_no_listed_key_vouches_for_is_forged() {
    let here = ring(1, &[1]);
    for foreign in [
        ring(2, &[2]),
        ring(2, &[2, 3]),
        ring_of("t2", 2, &[2, 1]),
        // The epoch is part of the MAC, although the cookie holds only its low byte.
        ring(2 + 256, &[2, 1]),
    ] {
        assert_eq!(verified(&here, &token().mint(&foreign)), FORGED);
    }
}

#[test]
fn damaged_cookie_is_kept_only_if_its_voucher_is_whole() {
    let earlier = ring(1, &[1]);
    let bytes = encoding::from_base64url(&token().mint(&ring(2, &[2, 1]))).unwrap();
    for at in 0..1 + KEY_ID_BYTES + VOUCHER_BYTES {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            let value = encoding::base64url(&damaged);
            assert_eq!(verified(&earlier, &value), FORGED, "byte {at}");
        }
    }
    // A key that is listed decides by its MAC, whatever the voucher says.
    let own = ring(1, &[1]);
    let genuine = encoding::from_base64url(&token().mint(&own)).unwrap();
    for at in 0..genuine.len() {
        let mut damaged = genuine.clone();
        damaged[at] ^= 1;
        let value = encoding::base64url(&damaged);
        assert_eq!(verified(&own, &value), FORGED, "byte {at}");
    }
}

#[test]
fn epochs_continue_after_the_low_byte_wraps() {
    let value = token().mint(&ring(256, &[2, 1]));
    assert_eq!(verified(&ring(255, &[1]), &value), LATER);
    assert_eq!(verified(&ring(257, &[1]), &value), FORGED);
}
