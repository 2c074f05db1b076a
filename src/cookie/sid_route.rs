//! Issues and verifies the *route*: the replacement for a cookie in the `sid` of a socket.io client without cookies.
//! It names the session. See [`engine_io`].

use hmac::Mac as _;

use crate::clock::UnixSeconds;
use crate::encoding;
use crate::http::engine_io;
use crate::keys::KeyRing;
use crate::session::id::{Handle, SessionId};

/// Domain separator, so that no other text signed with this key passes for a route.
const PURPOSE: &[u8] = b"vestibule/v1/route";

const MAC_BYTES: usize = 12;
const ROUTE_BYTES: usize = 16 + 4 + MAC_BYTES;

/// Session of a client without cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Session handle.
    pub handle: Handle,
    /// Time at which the session began.
    pub created: UnixSeconds,
}

impl Route {
    /// Returns the suffix for the origin's own `sid`: 44 characters.
    #[must_use]
    pub(crate) fn suffix(&self, keys: &KeyRing) -> String {
        let mut bytes = Vec::with_capacity(ROUTE_BYTES);
        bytes.extend_from_slice(&self.handle.0);
        bytes.extend_from_slice(&u32::try_from(self.created.0).unwrap_or(0).to_be_bytes());
        let mac = keys.signing().cookie_mac.clone();
        let mac = mac.chain_update(PURPOSE).chain_update(&bytes).finalize();
        bytes.extend(mac.as_bytes().iter().take(MAC_BYTES));
        format!("{}{}", engine_io::MARK, encoding::base64url(&bytes))
    }

    /// Returns the route in the `sid` of a request target, if one of our keys signed it.
    #[must_use]
    pub(crate) fn of_target(target: &str, keys: &KeyRing) -> Option<Self> {
        let text = engine_io::route(target)?;
        let bytes: [u8; ROUTE_BYTES] = encoding::from_base64url_exact(text)?;
        let (signed, mac) = bytes.split_at(ROUTE_BYTES - MAC_BYTES);
        let genuine = keys.all().any(|key| {
            let own = key.cookie_mac.clone().chain_update(PURPOSE);
            own.chain_update(signed).verify_truncated_left(mac).is_ok()
        });
        let (handle, created) = signed.split_first_chunk::<16>()?;
        let created = u32::from_be_bytes(*created.first_chunk()?);
        genuine.then_some(Self {
            handle: Handle(*handle),
            created: UnixSeconds(u64::from(created)),
        })
    }

    /// Returns the id of such a session, which is never sent to any client.
    #[must_use]
    pub(crate) fn id(&self, keys: &KeyRing) -> SessionId {
        SessionId::from_bytes(self.handle.0).successor(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::fake_io::keys;
    use crate::tenant_id::TenantId;

    #[test]
    fn sid_route_round_trips_and_cannot_be_forged() {
        let keys_of = |tenant| keys(&TenantId::parse(tenant).unwrap());
        let keys = keys_of("t");
        let route = Route {
            handle: Handle([7; 16]),
            created: UnixSeconds(1_700_000_000),
        };
        let suffix = route.suffix(&keys);
        assert_eq!(suffix.len(), 44);
        let target = format!("/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1{suffix}");
        assert_eq!(Route::of_target(&target, &keys), Some(route));
        assert_eq!(Route::of_target(&target, &keys_of("u")), None);
        let known = "/socket.io/?EIO=4&transport=polling&t=x&sid=abc_-1";
        assert_eq!(engine_io::without_route(&target).as_deref(), Some(known));
        let mut forged = suffix.clone();
        forged.replace_range(5..6, if &suffix[5..6] == "A" { "B" } else { "A" });
        let target = format!("/socket.io/?EIO=4&sid=abc{forged}");
        assert_eq!(Route::of_target(&target, &keys), None);
    }
}
