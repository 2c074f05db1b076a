//! Tests of the cookie's value.

use super::*;
use crate::keys::DeploymentKeys;
use crate::tenant_id::TenantId;
use proptest::prelude::*;

fn ring(keys: &[u8], tenant: &str) -> KeyRing {
    let list: Vec<String> = keys
        .iter()
        .map(|byte| encoding::base64url(&[*byte; 32]))
        .collect();
    let keys = DeploymentKeys::parse(&list.join(",")).unwrap();
    KeyRing::derive(&keys, &TenantId::parse(tenant).unwrap()).unwrap()
}

fn token() -> Token {
    Token {
        handle: Handle([8; 16]),
        id: SessionId::from_bytes([9; 16]),
        created: UnixSeconds(1_700_000_000),
        issued: UnixSeconds(1_700_000_100),
        least_version: Version(3),
    }
}

const NOW: UnixSeconds = UnixSeconds(1_700_000_200);

#[test]
fn issued_cookie_verifies_with_its_content() {
    let ring = ring(&[1], "t1");
    let value = token().mint(&ring);
    assert_eq!(value.len(), 112);
    assert_eq!(
        Token::verify(&value, &ring, NOW),
        Ok(Verified {
            token: token(),
            retired_key: false
        })
    );
}

#[test]
fn tampered_cookie_is_rejected() {
    let ring = ring(&[1], "t1");
    let value = token().mint(&ring);
    for at in 0..value.len() {
        for replacement in ['A', 'B', '-', '=', '"', '\u{fffd}'] {
            let mut chars: Vec<char> = value.chars().collect();
            if chars[at] == replacement {
                continue;
            }
            chars[at] = replacement;
            let changed: String = chars.into_iter().collect();
            let verified = Token::verify(&changed, &ring, NOW);
            // Bytes 1 to 4 hold the key id.
            let names_another_key =
                (1..=6).contains(&at) && verified == Err(Unverified::UnknownKey { vouched: false });
            assert!(
                verified == Err(Unverified::Forged) || names_another_key,
                "at {at}: {verified:?}"
            );
        }
    }
    for other in [
        "",
        "a",
        &value[..111],
        &format!("{value}A"),
        &format!("{value}="),
    ] {
        assert_eq!(Token::verify(other, &ring, NOW), Err(Unverified::Forged));
    }
}

#[test]
fn retired_key_verifies_until_removed() {
    let value = token().mint(&ring(&[1], "t1"));
    let rotated = Token::verify(&value, &ring(&[2, 1], "t1"), NOW);
    assert_eq!(
        rotated,
        Ok(Verified {
            token: token(),
            retired_key: true
        })
    );
    assert_eq!(
        Token::verify(&value, &ring(&[2], "t1"), NOW),
        Err(Unverified::UnknownKey { vouched: false })
    );
}

#[test]
fn recent_cookie_of_an_unknown_key_is_not_treated_as_forged() {
    let here = ring(&[1], "t1");
    let value = token().mint(&ring(&[2], "t1"));
    let unknown = [
        (0, Unverified::UnknownKey { vouched: false }),
        (3_600, Unverified::UnknownKey { vouched: false }),
    ];
    for (later, expected) in unknown.into_iter().chain([(3_601, Unverified::Forged)]) {
        let now = UnixSeconds(token().issued.0 + later);
        assert_eq!(Token::verify(&value, &here, now), Err(expected), "{later}");
    }
    // A key that is listed here decides.
    let mut damaged = token().mint(&here);
    damaged.replace_range(100..101, if &damaged[100..101] == "A" { "B" } else { "A" });
    assert_eq!(Token::verify(&damaged, &here, NOW), Err(Unverified::Forged));
}

#[test]
fn cookie_of_another_tenant_is_rejected() {
    let value = token().mint(&ring(&[1], "t1"));
    assert_eq!(
        Token::verify(&value, &ring(&[1], "t2"), NOW),
        Err(Unverified::Forged)
    );
}

#[test]
fn guest_cookie_records_an_opened_connection() {
    for now in (0..60).map(|after| UnixSeconds(NOW.0 + after)) {
        let guest = |opened| Token {
            created: now,
            issued: Token::guest_issued(now, opened),
            least_version: Version::UNSTORED,
            ..token()
        };
        assert_eq!(guest(false).guest_opened(), None);
        assert_eq!(guest(true).guest_opened(), Some(guest(true).issued));
        assert!(guest(true).issued.since(now).0 <= OPENED_INTERVAL && guest(true).issued > now);
        assert!(guest(false).issued.since(now).0 <= 1 && guest(false).issued >= now);
    }
    let stored = Token {
        issued: Token::guest_issued(NOW, true),
        ..token()
    };
    assert_eq!(stored.guest_opened(), None);
}

#[test]
fn impossible_times_are_rejected() {
    let ring = ring(&[1], "t1");
    for (created, issued) in [(0, 0), (1, 1_700_000_261), (1_700_000_101, 1_700_000_100)] {
        let odd = Token {
            created: UnixSeconds(created),
            issued: UnixSeconds(issued),
            ..token()
        };
        assert_eq!(
            Token::verify(&odd.mint(&ring), &ring, NOW),
            Err(Unverified::Forged),
            "{created} {issued}"
        );
    }
    let ahead = Token {
        issued: UnixSeconds(NOW.0 + 60),
        ..token()
    };
    assert!(Token::verify(&ahead.mint(&ring), &ring, NOW).is_ok());
}

proptest! {
    #[test]
    fn issued_cookie_round_trips(id: [u8; 16], created in 1_u64..1_700_000_000, version in 0_u64..1 << 56) {
        let ring = ring(&[1], "t1");
        let minted = Token { id: SessionId::from_bytes(id), created: UnixSeconds(created), least_version: Version(version), ..token() };
        prop_assert_eq!(Token::verify(&minted.mint(&ring), &ring, NOW).map(|v| v.token), Ok(minted));
    }

    #[test]
    fn arbitrary_text_never_verifies(value in ".{0,100}") {
        prop_assert_eq!(Token::verify(&value, &ring(&[1], "t1"), NOW), Err(Unverified::Forged));
    }
}
