//! Defines the key that signs a tenant's requests to its origins.

use core::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::encoding;

/// Key of `X-Session-Proof`: the tenant's origin key. It cannot be printed.
pub(crate) struct ProofKey {
    id: String,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProofKey({})", self.id)
    }
}

impl ProofKey {
    /// Builds the key from the secret shared with the origin. Returns `None` for an empty secret.
    #[must_use]
    pub(crate) fn new(secret: &str) -> Option<Self> {
        let hash = Sha256::digest(secret);
        let mut id = String::new();
        encoding::push_hex(&mut id, hash.get(..4)?);
        let mac = Hmac::new_from_slice(secret.as_bytes()).ok()?;
        (!secret.is_empty()).then_some(Self { id, mac })
    }

    /// Returns the key id: the first 4 bytes of the secret's SHA-256, as hex.
    #[must_use]
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Computes HMAC-SHA256.
    #[must_use]
    pub(crate) fn mac(&self, message: &[u8]) -> [u8; 32] {
        let mac = self.mac.clone().chain_update(message);
        mac.finalize().into_bytes().into()
    }
}
