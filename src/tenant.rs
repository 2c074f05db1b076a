//! Defines a tenant: the policy and keys of one customer. Every decision takes it as a parameter.

mod access_rule;
pub(crate) mod assets;
pub(crate) mod environment;
mod faults;
mod from_config;
mod origins;
pub(crate) mod patches;
pub(crate) mod proof_key;
mod releases;
mod services;
mod sign_in;

use std::borrow::Cow;
use std::rc::Rc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::auth::methods::Methods;
use crate::balancer::pools::Pools;
use crate::balancer::releases::Releases;
use crate::clock::Seconds;
use crate::config::model::LoginException;
use crate::config::route_pattern::RoutePattern;
use crate::config::values::{CookiePattern, PathPattern};
use crate::cookie::name::CookieName;
use crate::cookie::set_cookie::{self, SameSite};
use crate::http::host::HostPattern;
use crate::http::qualifier::TenantBy;
use crate::keys::KeyRing;
use crate::policy::PROPAGATION;
use crate::response::theme::Brand;
use crate::session::lifetime::Lifetime;
use crate::tenant_id::TenantId;

pub(crate) use access_rule::{AccessRule, Denial};
use assets::Assets;
use environment::Environment;
use patches::Patches;
use proof_key::ProofKey;

pub(crate) use crate::policy::{Consistency, HeaderSource, LogLevel, LoginMode, Sampling, Streams};

/// Limits above which an origin gets no new sessions. It keeps those it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overload {
    /// Maximum utilisation that the origin reports, in thousandths.
    pub reported: Option<u64>,
    /// Maximum requests one isolate has in flight there.
    pub under_way: Option<u32>,
    /// Maximum average time to the first byte, in milliseconds.
    pub first_byte_ms: Option<u32>,
    /// Queue of new visitors while all origins are full.
    pub queue: Option<Queue>,
}

/// Queue of new visitors while all origins are full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queue {
    /// Maximum number of places.
    pub places: u32,
    /// Time after which a place that was not asked for again is given up.
    pub timeout: Seconds,
}

/// Handling of a session whose record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// Requests are refused until the record can be read.
    Closed,
    /// Memory serves the session, marked as degraded, for this long after its last successful read here.
    Grace(Seconds),
}

/// Timeouts of an origin, by kind of route. Connecting counts as waiting for the headers: a Worker cannot distinguish
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Maximum time until the response headers.
    pub first_byte: Seconds,
    /// Maximum time until the origin accepts a WebSocket.
    pub handshake: Seconds,
    /// Limits after a response has begun.
    pub pauses: Pauses,
}

/// Maximum silences; `None` is no limit. Each limit costs CPU per chunk, because the data plane then follows the stream
/// chunk by chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses {
    /// Silence in an event stream after which a comment is sent, because proxies on the way close silent connections.
    pub keep_alive: Option<Seconds>,
    /// Silence that ends an ordinary response.
    pub answer: Option<Seconds>,
    /// Silence that ends an event stream.
    pub stream: Option<Seconds>,
    /// Silence in both directions that ends a WebSocket.
    pub socket: Option<Seconds>,
}

impl Pauses {
    /// Formats the limits in milliseconds, in the order above, separated by commas, 0 for none. Returns an empty text
    /// without any limit.
    #[must_use]
    pub(crate) fn to_text(self) -> String {
        if self == Self::default() {
            return String::new();
        }
        [self.keep_alive, self.answer, self.stream, self.socket]
            .map(|limit| {
                limit
                    .map_or(0, |limit| limit.0.saturating_mul(1000))
                    .to_string()
            })
            .join(",")
    }
}

/// Minimum length of an API key in characters: a shorter one can be guessed.
const MIN_API_KEY_LENGTH: usize = 16;

/// Secret that callers of an API present. Stored as a SHA-256 hash, so that it cannot be printed and comparing takes
/// equal time for every wrong key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    /// Parses a comma-separated list; several keys allow rotation without a gap. Returns `None` if a key is shorter
    /// than [`MIN_API_KEY_LENGTH`].
    #[must_use]
    pub(crate) fn listed(list: &str) -> Option<Vec<Self>> {
        let keys = list.split(',').map(str::trim).filter(|key| !key.is_empty());
        keys.map(|key| (key.len() >= MIN_API_KEY_LENGTH).then(|| Self::new(key)))
            .collect()
    }

    /// Hashes the secret itself.
    #[must_use]
    pub(crate) fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Computes an HMAC-SHA256 with a key derived from this one for one purpose.
    #[must_use]
    pub(crate) fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; 32] {
        self.hmac(purpose, message).finalize().into_bytes().into()
    }

    /// Returns whether `mac` is a prefix of that MAC, in constant time.
    #[must_use]
    pub(crate) fn is_mac(&self, purpose: &[u8], message: &[u8], mac: &[u8]) -> bool {
        self.hmac(purpose, message)
            .verify_truncated_left(mac)
            .is_ok()
    }

    fn hmac(&self, purpose: &[u8], message: &[u8]) -> Hmac<Sha256> {
        // HMAC pads a key shorter than a block with zeros (RFC 2104 section 2).
        let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
        for (byte, own) in key.iter_mut().zip(self.0) {
            *byte = own;
        }
        let mut hmac = Hmac::new(&key);
        hmac.update(purpose);
        hmac.update(&[0]);
        hmac.update(message);
        hmac
    }

    /// Returns whether an `Authorization` header presents this key as a bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub(crate) fn is_presented(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, secret)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && *self == Self::new(secret.trim())
    }
}

/// Policy and keys of one customer.
pub(crate) struct Tenant {
    /// Id of the tenant.
    pub id: TenantId,
    /// Hosts that select the tenant; empty if the deployment has no documents.
    pub hosts: Vec<HostPattern>,
    /// What selects tenants of the deployment. Several may have the same host, and then browsers need a cookie for each.
    pub tenant_by: TenantBy,
    /// Keys derived for this tenant alone.
    pub keys: KeyRing,
    /// Access rule for all paths without an exception.
    pub login: LoginMode,
    /// Exceptions from `login`; the first match counts.
    pub login_exceptions: Vec<LoginException>,
    /// Enabled ways to sign in.
    pub methods: Methods,
    /// Origins' cookies that are cleared when a user signs in or out.
    pub clear_cookies: Vec<CookiePattern>,
    /// Value of `Clear-Site-Data` when a user signs out or another signs in; empty for none.
    pub clear_site_data: String,
    /// Origins' cookies that are kept in the session instead of the browser.
    pub vault: Vec<CookiePattern>,
    /// Limits on the lifetime of sessions.
    pub lifetime: Lifetime,
    /// Ordering of a session's changes: by KV alone or by its object.
    pub consistency: Consistency,
    /// Handling of a session whose record cannot be read.
    pub fail: Fail,
    /// Maximum sessions of a user; a further one ends the oldest.
    pub max_per_user: Option<u64>,
    /// Maximum stored sessions of the tenant; beyond it no session begins.
    pub max_sessions: Option<u64>,
    /// Keys that origins present at the session API; without one it is closed.
    pub origin_keys: Vec<ApiKey>,
    /// Tokens that operators present at the admin API; without one it is closed.
    pub admin_tokens: Vec<ApiKey>,
    /// Maximum age of a cached record before it is read again.
    pub cache: Seconds,
    /// Maximum bytes of `X-Session-Data`; a longer value is left out.
    pub max_data: usize,
    /// Origins that receive the requests. Entries that name a list stand for its servers: see [`Tenant::found_pools`].
    pub pools: Rc<Pools>,
    /// Lists of origins, as isolates ask the pool object for them; null for none.
    pub lists: Value,
    /// Gray releases that some new sessions begin in.
    pub releases: Option<Releases>,
    /// Whether a conversation waits for its unavailable origin instead of moving.
    pub strict_pins: bool,
    /// Idle time after which a moved conversation may return; `None` keeps it where it moved.
    pub pin_idle: Option<Seconds>,
    /// Whether the platform's rate limiter for new sessions per address is bound.
    pub new_sessions_are_limited: bool,
    /// Maximum new sessions per address, minute and isolate.
    pub new_sessions_per_minute: Option<u32>,
    /// Maximum number of requests per second, in one isolate.
    pub requests_per_second: Option<u32>,
    /// Maximum number of requests and followed streams in flight, in one isolate.
    pub max_in_flight: Option<u32>,
    /// Limits above which an origin is full.
    pub overload: Overload,
    /// Timeouts of the origins.
    pub timeouts: Timeouts,
    /// Whether open streams end with their session.
    pub streams: Streams,
    /// Whether each request to an origin carries an assertion.
    pub asserts: bool,
    /// Key that signs each request to an origin.
    pub proof: Option<ProofKey>,
    /// Additional identity headers, with the names that the origin reads, and their sources.
    pub mapped_headers: Vec<(String, HeaderSource)>,
    /// Values of `X-Session-Env`.
    pub env: Environment,
    /// Files served instead of the origins'.
    pub assets: Assets,
    /// Changes to JSON responses of the origins.
    pub patches: Patches,
    /// Paths whose responses are the same for all clients, so that the zone's cache may store them.
    pub public_paths: Vec<PathPattern>,
    /// Sites whose pages may read the gateway's own responses.
    pub cors_origins: Vec<String>,
    /// Sites whose pages may show the chat in a frame, and act for its visitors. They are in the two lists around this
    /// one, too.
    pub embed_sites: Vec<String>,
    /// Values of `Origin` accepted on a WebSocket upgrade, in addition to the request's own host.
    pub allowed_origins: Vec<String>,
    /// Appearance of the tenant's pages.
    pub brand: Brand,
    /// Telemetry of the tenant's requests.
    pub telemetry: Telemetry,
    /// Routes by which they are counted.
    pub routes: Vec<RoutePattern>,
}

/// Telemetry of a tenant's requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telemetry {
    /// Minimum level of log lines.
    pub log: LogLevel,
    /// Selection of exported traces.
    pub sampling: Sampling,
    /// Whether responses carry `Server-Timing`.
    pub server_timing: bool,
}

impl Tenant {
    /// Returns whether the data plane follows open sockets and event streams, and so counts them.
    #[must_use]
    pub(crate) fn follows_connections(&self) -> bool {
        self.streams == Streams::Revocable || self.timeouts.pauses != Pauses::default()
    }

    /// Returns the name of the session cookie on a connection.
    #[must_use]
    pub(crate) fn cookie_name(&self, on: CookieName) -> Cow<'static, str> {
        if self.tenant_by.is_host_alone() {
            on.as_str().into()
        } else {
            on.of_tenant(&self.id).into()
        }
    }

    /// Returns the line that sets the session cookie for `max_age`.
    #[must_use]
    pub(crate) fn set_cookie(&self, on: CookieName, value: &str, max_age: Seconds) -> String {
        set_cookie::set(on, self.same_site(), &self.cookie_name(on), value, max_age)
    }

    /// Returns the lines that remove the session cookie. A tenant with `embed` may have set one of the other kind
    /// before, which the browser keeps apart and would send again.
    #[must_use]
    pub(crate) fn clear_cookies(&self, on: CookieName) -> Vec<String> {
        let name = self.cookie_name(on);
        let sent = self.same_site();
        let mut lines = vec![set_cookie::clear(on, sent, &name)];
        if sent == SameSite::None {
            lines.push(set_cookie::clear(on, SameSite::Lax, &name));
        }
        lines
    }

    /// Returns which requests carry our cookies.
    #[must_use]
    pub(crate) fn same_site(&self) -> SameSite {
        if self.embed_sites.is_empty() {
            SameSite::Lax
        } else {
            SameSite::None
        }
    }

    /// Returns whether origins receive the access tokens of users.
    #[must_use]
    pub(crate) fn hands_tokens_on(&self) -> bool {
        let mapped = self.mapped_headers.iter();
        let takes = |source| matches!(source, HeaderSource::AccessToken | HeaderSource::Bearer);
        mapped.map(|(_, source)| *source).any(takes)
    }

    /// Returns whether the expiry of access tokens matters. It does if origins receive them, or if a provider or a path
    /// admits only some users, because each new token says whether the user is still admitted.
    #[must_use]
    pub(crate) fn uses_access_tokens(&self) -> bool {
        let mut providers = self.methods.oidc.iter();
        self.hands_tokens_on()
            || self.requires_groups()
            || providers.any(|provider| provider.allow.is_limiting())
    }

    /// Returns how long this isolate's list of revocations counts as fresh, in milliseconds.
    #[must_use]
    pub(crate) fn revocations_fresh_ms(&self) -> u64 {
        let period = match self.consistency {
            Consistency::Strong => self.cache,
            // KV shows no change earlier.
            Consistency::Eventual => self.cache.max(PROPAGATION),
        };
        period.0.saturating_mul(1000)
    }
}
