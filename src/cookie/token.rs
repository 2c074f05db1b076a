//! Issues and verifies the cookie's value: at most 87 bytes as 116 base64url characters, verified before storage is
//! touched.
//!
//! | bytes | field |
//! | --- | --- |
//! | 1 | format: 3 if the key list has an epoch, else 2 |
//! | 4 | key id |
//! | 4 | format 3 only: [`Voucher`] of the key id |
//! | 16 | handle: which session |
//! | 16 | session id, from a cryptographic random source: the secret |
//! | 4 | created, Unix seconds |
//! | 4 | issued, Unix seconds: when this cookie was set; see [`Token::guest_issued`] |
//! | 7, in format 3: 6 | least version: the record version this browser must see; 0 while nothing is stored |
//! | 32 | HMAC-SHA256 over all of the above under the tenant's cookie key |
//!
//! 84 and 87 are multiples of three, so the text has no spare bits and every character is covered by the
//! MAC; what is signed and SHA-256's padding fill one block. Integers are big-endian.
//!
//! Format 2 is what earlier releases read. So format 3 is written only once the operator numbers the key lists.

use hmac::Mac as _;
use thiserror::Error;

use crate::clock::{Seconds, UnixSeconds};
use crate::encoding;
use crate::keys::{KEY_ID_BYTES, KeyRing, VOUCHER_BYTES, Voucher};
use crate::session::id::{Handle, SESSION_ID_BYTES, SessionId};
use crate::session::record::Version;

/// Format without a voucher, for key lists without an epoch.
const PLAIN: u8 = 2;
/// Format with a voucher.
const VOUCHED: u8 = 3;
const COMMON_BYTES: usize = 1 + KEY_ID_BYTES + 2 * SESSION_ID_BYTES + 4 + 4;
const MAC_BYTES: usize = 32;
const PLAIN_BYTES: usize = COMMON_BYTES + 7 + MAC_BYTES;
const VOUCHED_BYTES: usize = COMMON_BYTES + VOUCHER_BYTES + 6 + MAC_BYTES;

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
    /// Signed by a key that is not listed here, and which a later key list may have. While that list is being deployed
    /// another location knows the key; only that location can verify the cookie.
    #[error("the cookie is signed by a key that is not listed")]
    UnknownKey {
        /// Whether a key that is listed here vouches for the unknown one. If not, the cookie has no voucher and was
        /// issued recently.
        vouched: bool,
    },
}

/// Maximum age of a cookie without voucher, signed by an unknown key that may still be arriving by deployment. After
/// that the key counts as removed, so that an urgent key removal delays no client for longer.
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
        let mut bytes = Vec::with_capacity(VOUCHED_BYTES);
        let voucher = ring.voucher();
        bytes.push(if voucher.is_some() { VOUCHED } else { PLAIN });
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(voucher.map_or(&[], Voucher::as_slice));
        bytes.extend_from_slice(&self.handle.0);
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&low_bytes::<4>(self.created.0));
        bytes.extend_from_slice(&low_bytes::<4>(self.issued.0));
        let version = low_bytes::<7>(self.least_version.0);
        let skipped = usize::from(voucher.is_some());
        bytes.extend(version.iter().skip(skipped));
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
    /// Returns [`Unverified`]. With an unknown key only the value's shape and its voucher are checked.
    pub(crate) fn verify(
        value: &str,
        ring: &KeyRing,
        now: UnixSeconds,
    ) -> Result<Verified, Unverified> {
        const FORGED: Unverified = Unverified::Forged;
        let mut buffer = [0; VOUCHED_BYTES];
        let bytes = encoding::from_base64url_into(value, &mut buffer).ok_or(FORGED)?;
        let (signed, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(FORGED)?;
        let mut fields = Fields(signed);
        let has_voucher = match (fields.take::<1>()?, bytes.len()) {
            ([PLAIN], PLAIN_BYTES) => false,
            ([VOUCHED], VOUCHED_BYTES) => true,
            _ => return Err(FORGED),
        };
        let key_id = fields.take::<KEY_ID_BYTES>()?;
        let voucher = has_voucher
            .then(|| fields.take::<VOUCHER_BYTES>())
            .transpose()?;
        let key = ring.find(&key_id);
        if let Some(key) = key {
            let mac_state = key.cookie_mac.clone().chain_update(signed);
            mac_state.verify_slice(mac).map_err(|_| FORGED)?;
        }
        let token = Self {
            handle: Handle(fields.take()?),
            id: SessionId::from_bytes(fields.take()?),
            created: UnixSeconds(number(&fields.take::<4>()?)),
            issued: UnixSeconds(number(&fields.take::<4>()?)),
            least_version: Version(if has_voucher {
                number(&fields.take::<6>()?)
            } else {
                number(&fields.take::<7>()?)
            }),
        };
        let latest = now.0 + FUTURE_TOLERANCE;
        if token.issued.0 == 0 || token.issued.0 > latest || token.created > token.issued {
            return Err(FORGED);
        }
        if key.is_none() {
            // A voucher says for how long the key is expected; without one the time of issue does.
            let vouched = voucher.is_some_and(|voucher| ring.vouches(&key_id, &voucher));
            let is_recent = voucher.is_none() && now.since(token.issued) <= ROLLOUT;
            return Err(if vouched || is_recent {
                Unverified::UnknownKey { vouched }
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

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vouched;
