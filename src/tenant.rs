//! A tenant: one customer's policy. Every decision takes it as a parameter.

pub(crate) mod assets;
mod faults;
mod from_config;
pub(crate) mod proof_key;
mod sign_in;

use core::cmp::Reverse;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use crate::auth::methods::Methods;
use crate::balancer::canary::Canary;
use crate::balancer::pool::Pool;
use crate::clock::Seconds;
use crate::config::model::LoginException;
use crate::config::values::{CookiePattern, PathPattern};
use crate::http::host::HostPattern;
use crate::http::request::Request;
use crate::http::{header_name, path};
use crate::keys::KeyRing;
use crate::policy::PROPAGATION;
use crate::response::theme::Brand;
use crate::session::lifetime::Lifetime;
use crate::tenant_id::TenantId;

use assets::Assets;
use proof_key::ProofKey;

pub(crate) use crate::policy::{Consistency, HeaderSource, LogLevel, LoginMode, Sampling, Streams};

/// When an origin is too busy for new sessions. Those it has go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overload {
    /// The utilisation it reports, in parts of a thousand.
    pub reported: Option<u64>,
    /// What one isolate has under way there.
    pub under_way: Option<u32>,
    /// After how many milliseconds its answers begin, on average.
    pub first_byte_ms: Option<u32>,
}

/// What happens to a session that nobody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fail {
    /// Its requests are refused until somebody can.
    Closed,
    /// For so long after it was last read here it is served from memory, marked as degraded.
    Grace(Seconds),
}

/// How long an origin may take, route kind by route kind. Connecting is part of waiting for the
/// headers: a Worker cannot tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// Until its response headers are there.
    pub first_byte: Seconds,
    /// Until it has accepted a WebSocket.
    pub handshake: Seconds,
    /// Once an answer has begun.
    pub pauses: Pauses,
}

/// How long nothing may come, or none for any time. What has a limit is followed part by part, which
/// costs CPU for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pauses {
    /// After so long in an event stream a comment is sent, for whatever closes silent connections on
    /// the way.
    pub keep_alive: Option<Seconds>,
    /// So long within an ordinary answer ends it.
    pub answer: Option<Seconds>,
    /// So long within an event stream ends it.
    pub stream: Option<Seconds>,
    /// So long without a message either way ends a WebSocket.
    pub socket: Option<Seconds>,
}

impl Pauses {
    /// In milliseconds, in the order above, apart by commas, 0 for none; empty if there is none.
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

/// What can be guessed is no secret.
const MIN_API_KEY_LENGTH: usize = 16;

/// A secret that callers of an API present. Kept as a hash, so that comparing it takes the same time
/// however much of it is right, and so that it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey([u8; 32]);

impl ApiKey {
    /// From a comma-separated list, so that a key can be replaced without a gap. None if one of them
    /// is so short that it can be guessed.
    #[must_use]
    pub(crate) fn listed(list: &str) -> Option<Vec<Self>> {
        let keys = list.split(',').map(str::trim).filter(|key| !key.is_empty());
        keys.map(|key| (key.len() >= MIN_API_KEY_LENGTH).then(|| Self::new(key)))
            .collect()
    }

    /// From the secret itself.
    #[must_use]
    pub(crate) fn new(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// A MAC with a key made of this one, for one purpose only (HMAC-SHA256).
    #[must_use]
    pub(crate) fn mac(&self, purpose: &[u8], message: &[u8]) -> [u8; 32] {
        self.hmac(purpose, message).finalize().into_bytes().into()
    }

    /// Whether that is the beginning of such a MAC. Takes as long whether it is or not.
    #[must_use]
    pub(crate) fn is_mac(&self, purpose: &[u8], message: &[u8], mac: &[u8]) -> bool {
        self.hmac(purpose, message)
            .verify_truncated_left(mac)
            .is_ok()
    }

    fn hmac(&self, purpose: &[u8], message: &[u8]) -> Hmac<Sha256> {
        // A key shorter than a block is one with zeros behind it (RFC 2104 section 2).
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

    /// Whether an `Authorization` header presents it as a bearer token (RFC 6750 section 2.1).
    #[must_use]
    pub(crate) fn is_presented(&self, authorization: Option<&str>) -> bool {
        let Some((scheme, secret)) = authorization.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && *self == Self::new(secret.trim())
    }
}

/// One customer's policy and keys.
pub(crate) struct Tenant {
    /// Who this is.
    pub id: TenantId,
    /// The hosts it is reached at, if documents say who is.
    pub hosts: Vec<HostPattern>,
    /// Keys derived for this tenant alone.
    pub keys: KeyRing,
    /// Who may come in.
    pub login: LoginMode,
    /// Where it is otherwise; the first that matches counts.
    pub login_exceptions: Vec<LoginException>,
    /// How people sign in.
    pub methods: Methods,
    /// Cookies of the origins that leave the browser when somebody signs in or out.
    pub clear_cookies: Vec<CookiePattern>,
    /// Cookies of the origins that are kept in the session.
    pub vault: Vec<CookiePattern>,
    /// How long sessions live.
    pub lifetime: Lifetime,
    /// Who orders their changes.
    pub consistency: Consistency,
    /// What happens to one that nobody can read.
    pub fail: Fail,
    /// The most sessions a user may have; with one more the oldest ends.
    pub max_per_user: Option<u64>,
    /// What origins present at the session API; none closes it.
    pub origin_keys: Vec<ApiKey>,
    /// What operators present at the admin API; none closes it.
    pub admin_tokens: Vec<ApiKey>,
    /// How long a record read from storage may be used without asking again.
    pub cache: Seconds,
    /// The most bytes of `X-Session-Data`; above it the header is left out.
    pub max_data: usize,
    /// Where requests go.
    pub pool: Pool,
    /// The release that some new sessions are born into.
    pub canary: Option<Canary>,
    /// A conversation whose origin is gone waits for it instead of moving.
    pub strict_pins: bool,
    /// How long a conversation that moved stays with the origin it moved to while it is not in use;
    /// none: for good.
    pub pin_idle: Option<Seconds>,
    /// Whether the platform limits how many sessions an address begins.
    pub new_sessions_are_limited: bool,
    /// How many sessions one address may begin in a minute, in one isolate.
    pub new_sessions_per_minute: Option<u32>,
    /// Maximum number of requests per second, in one isolate.
    pub requests_per_second: Option<u32>,
    /// Maximum number of requests and followed streams in flight, in one isolate.
    pub max_in_flight: Option<u32>,
    /// When an origin is full.
    pub overload: Overload,
    /// How long an origin may take.
    pub timeouts: Timeouts,
    /// Whether open streams end with their session.
    pub streams: Streams,
    /// Each request to an origin carries an assertion.
    pub asserts: bool,
    /// What each request to an origin is signed with.
    pub proof: Option<ProofKey>,
    /// Headers an origin reads beside ours, in the spelling it knows, and what they say.
    pub mapped_headers: Vec<(String, HeaderSource)>,
    /// `X-Session-Env`: one line of JSON; none if there is nothing to tell.
    pub env: Option<String>,
    /// Files shown in place of the servers'.
    pub assets: Assets,
    /// What is the same for everybody, so that the cache of the zone may keep it.
    pub public_paths: Vec<PathPattern>,
    /// Sites whose pages may read what the gateway answers in an origin's place.
    pub cors_origins: Vec<String>,
    /// `Origin` values accepted on a WebSocket upgrade besides the request's own.
    pub allowed_origins: Vec<String>,
    /// What its pages look like.
    pub brand: Brand,
    /// What is recorded of its requests.
    pub telemetry: Telemetry,
}

/// What is recorded of a tenant's requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Telemetry {
    /// From which level on the log has lines.
    pub log: LogLevel,
    /// Which traces are exported.
    pub sampling: Sampling,
    /// Answers tell the client what took how long.
    pub server_timing: bool,
}

impl Tenant {
    /// Whether origins are handed the access tokens of visitors.
    #[must_use]
    pub(crate) fn hands_tokens_on(&self) -> bool {
        let mapped = self.mapped_headers.iter();
        let takes = |source| matches!(source, HeaderSource::AccessToken | HeaderSource::Bearer);
        mapped.map(|(_, source)| *source).any(takes)
    }

    /// Whether it matters that an access token runs out: origins are handed it, or not all users of a provider may
    /// come in, and the provider says with each new token who may.
    #[must_use]
    pub(crate) fn uses_access_tokens(&self) -> bool {
        let mut providers = self.methods.oidc.iter();
        self.hands_tokens_on() || providers.any(|provider| provider.allow.is_limiting())
    }

    /// Returns how long this isolate's list of revocations counts as fresh, in milliseconds.
    #[must_use]
    pub(crate) fn revocations_fresh_ms(&self) -> u64 {
        let period = match self.consistency {
            Consistency::Strong => self.cache,
            // KV shows nothing new within that time.
            Consistency::Eventual => self.cache.max(PROPAGATION),
        };
        period.0.saturating_mul(1000)
    }

    /// Returns the sign-in rule for a request. A header that overrides the method may take effect at the origin: of the
    /// methods a request names the strictest rule counts.
    #[must_use]
    pub(crate) fn access_rule(&self, request: &Request<'_>) -> AccessRule {
        let Request {
            method, location, ..
        } = request;
        let rule = self.login_at(method, location.path);
        if self.login_exceptions.is_empty() {
            return rule;
        }
        let overrides =
            |(name, _): &&(&str, &str)| header_name::overrides_method(&header_name::fold(name));
        let named = request.headers.iter().filter(overrides);
        named.fold(rule, |rule, (_, method)| {
            let method = method.trim().to_ascii_uppercase();
            rule.stricter(self.login_at(&method, location.path))
        })
    }

    /// Sign-in rule of a path. Of an escaped path and its resolved form the stricter counts.
    #[must_use]
    pub(crate) fn login_at(&self, method: &str, path: &str) -> AccessRule {
        let plain = self.login_at_plain(method, path);
        if self.login_exceptions.is_empty() {
            return plain;
        }
        match path::resolved(path) {
            Some(resolved) => plain.stricter(self.login_at_plain(method, &resolved)),
            None => plain,
        }
    }

    fn login_at_plain(&self, method: &str, path: &str) -> AccessRule {
        let concerns = |(_, exception): &(usize, &LoginException)| {
            let methods = &exception.methods;
            exception.path.matches(path)
                && (methods.is_empty() || methods.iter().any(|one| one.0 == method))
        };
        match self.login_exceptions.iter().enumerate().find(concerns) {
            None => AccessRule {
                mode: self.login,
                max_age: None,
                rule: None,
            },
            Some((at, exception)) => AccessRule {
                mode: exception.mode,
                max_age: exception.max_age,
                rule: Some(at),
            },
        }
    }
}

/// Who may come in somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccessRule {
    /// Who.
    pub mode: LoginMode,
    /// How long ago who has signed in may have done so.
    pub max_age: Option<Seconds>,
    /// Which of the exceptions says so; none if no exception does.
    pub rule: Option<usize>,
}

impl AccessRule {
    /// Whether a visitor without a session becomes a guest.
    #[must_use]
    pub(crate) fn admits_guests(self) -> bool {
        self.mode.admits_guests()
    }

    /// Where in the document that is said.
    #[must_use]
    pub(crate) fn rule_path(self) -> String {
        match self.rule {
            Some(at) => format!("login.exceptions[{at}]"),
            None => "login.mode".to_owned(),
        }
    }

    fn strictness(self) -> impl Ord {
        let youngest = Reverse(self.max_age.map_or(u64::MAX, |age| age.0));
        (self.mode, youngest)
    }

    /// The stricter of two.
    #[must_use]
    pub(crate) fn stricter(self, other: Self) -> Self {
        let shorter = match (self.max_age, other.max_age) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        Self {
            mode: self.mode.max(other.mode),
            max_age: shorter,
            rule: if other.strictness() > self.strictness() {
                other.rule
            } else {
                self.rule
            },
        }
    }
}
