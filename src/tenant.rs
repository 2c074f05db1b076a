//! A tenant: one customer's policy. Every decision takes it as a parameter.

use crate::clock::Seconds;
use crate::keys::KeyRing;
use crate::route::pool::Pool;
use crate::session::lifetime::Lifetime;
use crate::tenant_id::TenantId;

/// Who may come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMode {
    /// Everybody is a guest.
    Off,
    /// Guests are welcome and may sign in.
    Optional,
    /// Nobody passes without a session that was signed in.
    Required,
}

impl LoginMode {
    /// Whether a visitor without a session becomes a guest.
    #[must_use]
    pub fn admits_guests(self) -> bool {
        self != Self::Required
    }
}

/// How closely open streams are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// The runtime pumps them; nothing of ours is in the way.
    PassThrough,
    /// Event streams are followed, so that one the origin breaks off ends with an `event: error`
    /// instead of what looks like a regular end.
    Watched,
}

/// One customer's policy and keys.
pub struct Tenant {
    /// Who this is.
    pub id: TenantId,
    /// Keys derived for this tenant alone.
    pub keys: KeyRing,
    /// Who may come in.
    pub login: LoginMode,
    /// How long sessions live.
    pub lifetime: Lifetime,
    /// How long a record read from storage may be used without asking again.
    pub cache: Seconds,
    /// The most bytes of `X-Session-Data`; above it the header is left out.
    pub max_data: usize,
    /// Where requests go.
    pub pool: Pool,
    /// How long an origin may take until its response headers are there.
    pub first_byte_timeout: Seconds,
    /// How closely open streams are followed.
    pub live: Live,
    /// `Origin` values accepted on a WebSocket upgrade beside the request's own.
    pub allowed_origins: Vec<String>,
}
