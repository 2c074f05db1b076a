//! Issues and verifies the cookie's value: 84 bytes as 112 base64url characters, verified before storage is touched.
//!
//! | bytes | field |
//! | --- | --- |
//! | 1 | format, 2 |
//! | 4 | key id |
//! | 16 | handle: which session |
//! | 16 | session id, from a cryptographic random source: the secret |
//! | 4 | created, Unix seconds |
//! | 4 | issued, Unix seconds: when this cookie was set; see [`Token::guest_issued`] |
//! | 7 | least version: the record version this browser must see; 0 while nothing is stored |
//! | 32 | HMAC-SHA256 over all of the above under the tenant's cookie key |
//!
//! 84 is a multiple of three, so the text has no spare bits and every character is covered by the
//! MAC; what is signed and SHA-256's padding fill one block. Integers are big-endian.

use hmac::Mac as _;
use thiserror::Error;

use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;
use crate::keys::{KEY_ID_BYTES, KeyRing};
use crate::session::id::{Handle, SESSION_ID_BYTES, SessionId};
use crate::session::record::Version;

const FORMAT: u8 = 2;
const SIGNED_BYTES: usize = 1 + KEY_ID_BYTES + 2 * SESSION_ID_BYTES + 4 + 4 + 7;
const MAC_BYTES: usize = 32;
const TOKEN_BYTES: usize = SIGNED_BYTES + MAC_BYTES;

/// Maximum time that a cookie's issue time may be ahead of our clock, in seconds.
const FUTURE_TOLERANCE: u64 = 60;

/// Interval of issue times that mark an opened connection, in seconds: a guest's cookie issued at a multiple of it,
/// after the session began. Shorter than [`FUTURE_TOLERANCE`].
const OPENED_INTERVAL: u64 = 29;

/// Content of a genuine cookie, which has passed the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// Handle of the session.
    pub handle: Handle,
    /// Session id.
    pub id: SessionId,
    /// Time at which the session began.
    pub created: UnixSeconds,
    /// Time at which this cookie was set.
    pub issued: UnixSeconds,
    /// Least record version that this browser must see; 0 while nothing is stored.
    pub least_version: Version,
}

/// Verified cookie, and whether to set it again under the signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// Content of the cookie.
    pub token: Token,
    /// Whether a retired key signed it.
    pub retired_key: bool,
}

/// Reason why a cookie's value does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unverified {
    /// Wrong shape, wrong MAC, issued in the future, or signed long ago by an unknown key. It does not say which,
    /// because that helps only a forger.
    #[error("the cookie is not genuine")]
    Forged,
    /// Issued recently, and signed by a key that is not listed here. While a new key is being deployed another
    /// location may know it; only that location can verify the cookie.
    #[error("the cookie is signed by a key that is not listed")]
    UnknownKey,
}

/// Maximum age of a cookie signed by an unknown key that may still be arriving by deployment. After that the key
/// counts as removed, so that an urgent key removal delays no client for longer.
const ROLLOUT: Seconds = Seconds(3_600);

impl Token {
    /// Creates a token for a caller that looks up a session without its cookie.
    #[must_use]
    pub(crate) fn without_cookie(handle: Handle, now: UnixSeconds) -> Self {
        Self {
            handle,
            id: SessionId::from_bytes([0; SESSION_ID_BYTES]),
            created: UnixSeconds(0),
            // No write of this session can still be on its way.
            issued: UnixSeconds(now.0.saturating_sub(86_400)),
            least_version: Version::UNSTORED,
        }
    }

    /// Returns the issue time for a guest's cookie set `now`. If the guest `opened` a connection whose end Vestibule
    /// cannot see, the time within the next half minute says so. A guest has no record that could say it; older
    /// releases read the time as usual.
    #[must_use]
    pub(crate) fn guest_issued(now: UnixSeconds, opened: bool) -> UnixSeconds {
        let is_marked = now.0.is_multiple_of(OPENED_INTERVAL);
        UnixSeconds(match (opened, is_marked) {
            (true, _) => (now.0 + 1).next_multiple_of(OPENED_INTERVAL),
            (false, true) => now.0 + 1,
            (false, false) => now.0,
        })
    }

    /// Returns when this guest last opened a connection whose end Vestibule cannot see.
    #[must_use]
    pub(crate) fn guest_opened(&self) -> Option<UnixSeconds> {
        let is_noted = self.least_version == Version::UNSTORED
            && self.issued > self.created
            && self.issued.0.is_multiple_of(OPENED_INTERVAL);
        is_noted.then_some(self.issued)
    }

    /// Encodes the cookie's value and signs it with the signing key.
    #[must_use]
    pub(crate) fn mint(&self, ring: &KeyRing) -> String {
        let key = ring.signing();
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&self.handle.0);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&low_bytes::<4>(self.created.0));
        bytes.extend_from_slice(&low_bytes::<4>(self.issued.0));
        bytes.extend_from_slice(&low_bytes::<7>(self.least_version.0));
        let mac = key.cookie_mac.clone().chain_update(&bytes).finalize();
        bytes.extend_from_slice(mac.as_bytes());
        encoding::base64url(&bytes)
    }

    /// Decodes a cookie that was verified when its request came in. Checks only the MAC, so that the issue time may be
    /// later than that request.
    #[must_use]
    pub(crate) fn opened(value: &str, ring: &KeyRing) -> Option<Self> {
        let far = UnixSeconds(u64::MAX >> 1);
        Self::verify(value, ring, far)
            .ok()
            .map(|verified| verified.token)
    }

    /// Verifies a cookie's value, with nothing but the key ring.
    ///
    /// # Errors
    /// Returns [`Unverified`]. With an unknown key only the value's shape is checked.
    pub(crate) fn verify(
        value: &str,
        ring: &KeyRing,
        now: UnixSeconds,
    ) -> Result<Verified, Unverified> {
        const FORGED: Unverified = Unverified::Forged;
        let bytes: [u8; TOKEN_BYTES] = encoding::from_base64url_exact(value).ok_or(FORGED)?;
        let (signed, mac) = bytes.split_at(SIGNED_BYTES);
        let mut fields = Fields(signed);
        if fields.take::<1>()? != [FORMAT] {
            return Err(FORGED);
        }
        let key_id = fields.take::<KEY_ID_BYTES>()?;
        let key = ring.find(&key_id);
        if let Some(key) = key {
            let mac_state = key.cookie_mac.clone().chain_update(signed);
            mac_state.verify_slice(mac).map_err(|_| FORGED)?;
        }
        let token = Self {
            handle: Handle(fields.take()?),
            id: SessionId::from_bytes(fields.take()?),
            created: UnixSeconds(number(fields.take::<4>()?)),
            issued: UnixSeconds(number(fields.take::<4>()?)),
            least_version: Version(number(fields.take::<7>()?)),
        };
        let latest = now.0 + FUTURE_TOLERANCE;
        if token.issued.0 == 0 || token.issued.0 > latest || token.created > token.issued {
            return Err(FORGED);
        }
        if key.is_none() {
            let is_recent = now.since(token.issued) <= ROLLOUT;
            return Err(if is_recent {
                Unverified::UnknownKey
            } else {
                FORGED
            });
        }
        Ok(Verified {
            token,
            retired_key: !ring.is_signing(&key_id),
        })
    }
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unverified> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Unverified::Forged)?;
        self.0 = rest;
        Ok(*head)
    }
}

/// Returns the `N` low bytes, big-endian. Our numbers fit: seconds until 2106, versions to 2^56.
fn low_bytes<const N: usize>(number: u64) -> [u8; N] {
    number
        .to_be_bytes()
        .last_chunk::<N>()
        .copied()
        .unwrap_or([0; N])
}

fn number<const N: usize>(bytes: [u8; N]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
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
                    (1..=6).contains(&at) && verified == Err(Unverified::UnknownKey);
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
            Err(Unverified::UnknownKey)
        );
    }

    #[test]
    fn recent_cookie_of_an_unknown_key_is_not_treated_as_forged() {
        let here = ring(&[1], "t1");
        let value = token().mint(&ring(&[2], "t1"));
        let unknown = [(0, Unverified::UnknownKey), (3_600, Unverified::UnknownKey)];
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
}
