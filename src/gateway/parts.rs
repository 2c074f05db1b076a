//! Defines the parts of a tenant's gateway in this isolate, by subject. Each part has its own state; the stages of a
//! request use the parts they need.

use core::cell::RefCell;
use core::convert::Infallible;
use std::collections::HashMap;
use std::rc::Rc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, TryCryptoRng, TryRng};
use serde_json::Value;

use super::cloudflare_access::AccessUser;
use super::opening::Openings;
use super::providers::Providers;
use super::session_quota::StoredSessions;
use super::several_processes::RejectedIds;
use crate::auth::hashing::Slots;
use crate::balancer::cluster_view::ClusterView;
use crate::balancer::load::Load;
use crate::balancer::outlier_detection::Health;
use crate::balancer::pools::Pools;
use crate::balancer::probe::Probe;
use crate::balancer::waiting_queue::WaitingQueue;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::effect::Write;
use crate::http::rate_limit::{ClientLimit, RateLimit};
use crate::http::token_bucket::TokenBucket;
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::lifetime::stored_until;
use crate::session::record::{Entry, Version};
use crate::store::cache::{Cache, Known};
use crate::store::revocations::Revocations;
use crate::store::write_behind::WriteBehind;
use crate::telemetry::labels::RequestLabels;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::series::Series;
use crate::tenant::Tenant;

/// Cached sessions, and revocations.
pub(crate) struct Sessions {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) cache: Cache,
    /// Connections that guests opened.
    pub(crate) openings: Openings,
    pub(crate) revocations: Revocations,
    /// Changes that are confirmed and not stored yet, with KV alone.
    pub(crate) write_behind: WriteBehind,
    /// Sealed values to store.
    pub(crate) writes: Vec<Write>,
    pub(crate) random: SharedRandom,
}

impl Sessions {
    /// Creates the part without any session.
    pub(crate) fn new(tenant: Rc<Tenant>, random: SharedRandom) -> Self {
        Self {
            tenant,
            cache: Cache::default(),
            openings: Openings::default(),
            revocations: Revocations::default(),
            write_behind: WriteBehind::default(),
            writes: Vec::new(),
            random,
        }
    }

    /// Takes the sealed values to store since the last call.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.writes)
    }

    /// Queues `entry` for storage, and caches it.
    pub(crate) fn store(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        entry: Entry,
        now: UnixMillis,
    ) {
        recorder.state_changed = true;
        let name = RecordName::derive(&self.tenant.id, handle);
        let version = match &entry {
            Entry::Live(record) => record.version,
            Entry::Ended { .. } => Version::UNSTORED,
        };
        if let Some(write) = self.seal(recorder, &name, &entry, now) {
            let value = (version, write.value.as_slice());
            self.write_behind.replace(&name, handle, value, now);
            self.writes.push(write);
        }
        let known = Known::new(entry, &self.tenant.keys);
        self.cache.put(handle, known, now);
    }

    /// Seals an entry for storage.
    pub(super) fn seal(
        &mut self,
        recorder: &mut Recorder,
        name: &RecordName,
        entry: &Entry,
        now: UnixMillis,
    ) -> Option<Write> {
        let tenant = &self.tenant;
        let end = match entry {
            Entry::Live(record) => tenant.lifetime.end(&record.span()),
            // As long as any of its cookies may be valid.
            Entry::Ended { at } => *at + tenant.lifetime.longest(),
        };
        let ttl = stored_until(end, now.seconds());
        let value = codec::seal(entry, name, &tenant.keys, &mut self.random);
        if value.is_none() {
            recorder.emit(Event::new(Level::Error, "record_not_sealed"));
        }
        Some(Write::new(name.as_str(), value?, ttl))
    }

    /// Returns the approximate bytes of the cached sessions.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.cache.weight()
    }

    /// Empties the session cache, which costs each visitor a read.
    pub(crate) fn forget_sessions(&mut self) {
        self.cache = Cache::default();
    }
}

/// State of the origins.
pub(crate) struct Balancer {
    pub(crate) tenant: Rc<Tenant>,
    /// Origins of the tenant: those of its configuration, with the servers of its lists.
    pub(crate) pools: Rc<Pools>,
    /// Time of the last attempt to learn the lists for a request.
    pub(crate) lists_asked: UnixMillis,
    pub(crate) health: Health,
    pub(crate) load: Load,
    pub(crate) cluster: ClusterView,
    /// Newcomers of this isolate who wait, where no object orders those of all isolates.
    pub(crate) queue: WaitingQueue,
    /// Probes to send to origins.
    pub(crate) probes: Vec<Probe>,
    /// Rejected Engine.IO ids.
    pub(crate) rejected_ids: RejectedIds,
    /// Number that distinguishes this isolate from others.
    pub(crate) isolate: u64,
    pub(crate) random: SharedRandom,
}

impl Balancer {
    /// Creates the part without knowledge of any origin.
    pub(crate) fn new(tenant: Rc<Tenant>, mut random: SharedRandom) -> Self {
        Self {
            isolate: random.next_u64(),
            pools: pools(&tenant, &Value::Null),
            lists_asked: UnixMillis::default(),
            tenant,
            health: Health::default(),
            load: Load::default(),
            cluster: ClusterView::default(),
            queue: WaitingQueue::default(),
            probes: Vec::new(),
            rejected_ids: RejectedIds::default(),
            random,
        }
    }
}

/// Returns the origins of a tenant with the servers of its lists.
pub(super) fn pools(tenant: &Tenant, lists: &Value) -> Rc<Pools> {
    if tenant.lists.is_null() {
        Rc::clone(&tenant.pools)
    } else {
        Rc::new(tenant.found_pools(lists))
    }
}

/// Cached identity providers, renewals of their tokens, and password attempts.
pub(crate) struct Logins {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) providers: Providers,
    /// Verified assertions of Cloudflare Access by their hash, each with the settings that it was verified for.
    pub(crate) access_users: HashMap<String, (Rc<AccessUser>, Rc<Tenant>)>,
    /// Times of the last requests for new access tokens, by session.
    pub(crate) refreshing: HashMap<Handle, UnixMillis>,
    /// End times of expired access tokens that were logged, by session.
    pub(crate) expired_tokens: HashMap<Handle, UnixSeconds>,
    /// Password attempts per account, where no object counts them.
    pub(crate) guesses: RateLimit,
    /// Password attempts per client.
    pub(crate) guessers: ClientLimit,
    /// Slots for password checks in this isolate, shared by all tenants.
    pub(crate) hashing: Slots,
    pub(crate) random: SharedRandom,
}

impl Logins {
    /// Creates the part without knowledge of any provider.
    pub(crate) fn new(tenant: Rc<Tenant>, random: SharedRandom) -> Self {
        Self {
            providers: Providers::default(),
            access_users: HashMap::new(),
            refreshing: HashMap::new(),
            expired_tokens: HashMap::new(),
            guesses: RateLimit::new(10, 60_000),
            guessers: ClientLimit::new(30, 60_000),
            hashing: Slots::default(),
            tenant,
            random,
        }
    }
}

/// Limits other than those of password attempts.
pub(crate) struct Limits {
    pub(crate) tenant: Rc<Tenant>,
    /// Wrong keys at the session API, per client.
    pub(crate) wrong_keys: ClientLimit,
    /// Forged cookies, per client. The limit is generous: after an emergency change of keys, every genuine cookie of an
    /// office behind one address counts as forged once.
    pub(crate) forgeries: ClientLimit,
    /// New sessions, per client.
    pub(crate) new_sessions: Option<ClientLimit>,
    /// Bucket of the tenant's requests, if they are limited.
    pub(crate) requests: TokenBucket,
    /// Stored sessions of the tenant, if they are limited.
    pub(crate) stored_sessions: StoredSessions,
    /// Log lines about requests over a limit of the tenant: one a minute for each limit.
    pub(crate) refused_requests: RateLimit<&'static str>,
    /// Log lines about unavailable files: one a minute for each path.
    pub(crate) missing_files: RateLimit,
    /// Log lines about responses that cannot be patched: one a minute for each path.
    pub(crate) unpatched_paths: RateLimit,
}

impl Limits {
    /// Creates the unused limits of a tenant.
    pub(crate) fn new(tenant: Rc<Tenant>) -> Self {
        Self {
            wrong_keys: ClientLimit::new(10, 60_000),
            forgeries: ClientLimit::new(300, 10_000),
            new_sessions: new_session_limit(&tenant),
            requests: TokenBucket::default(),
            stored_sessions: StoredSessions::default(),
            refused_requests: RateLimit::new(1, 60_000),
            missing_files: RateLimit::new(1, 60_000),
            unpatched_paths: RateLimit::new(1, 60_000),
            tenant,
        }
    }

    /// Applies a new configuration. Counts stay, unless their limit changed.
    pub(crate) fn reload(&mut self, tenant: Rc<Tenant>) {
        if tenant.new_sessions_per_minute != self.tenant.new_sessions_per_minute {
            self.new_sessions = new_session_limit(&tenant);
        }
        self.tenant = tenant;
    }
}

/// Labels of the current request, and events and counts since they were last taken.
pub(crate) struct Recorder {
    pub(crate) tenant: Rc<Tenant>,
    /// Labels common to all requests of the tenant.
    pub(super) common: RequestLabels,
    /// Labels of the current request.
    pub(crate) labels: RequestLabels,
    /// Events to log.
    pub(crate) events: Vec<Event>,
    /// Counts to report.
    pub(crate) series: Series,
    /// Whether the last decision or response changed state that decisions depend on.
    pub(crate) state_changed: bool,
}

impl Recorder {
    /// Creates an empty recorder.
    pub(crate) fn new(tenant: Rc<Tenant>) -> Self {
        Self {
            common: common_labels(&tenant),
            tenant,
            labels: RequestLabels::default(),
            events: Vec::new(),
            series: Series::default(),
            state_changed: false,
        }
    }

    /// Applies a new configuration. Recorded events and counts stay.
    pub(crate) fn reload(&mut self, tenant: Rc<Tenant>) {
        self.common = common_labels(&tenant);
        self.tenant = tenant;
    }
}

/// Random numbers of one tenant, from one cryptographic source for all parts of its gateway.
#[derive(Clone)]
pub(crate) struct SharedRandom(Rc<RefCell<ChaCha20Rng>>);

impl SharedRandom {
    /// Shares `random`, which must be seeded from a cryptographic source: session ids and nonces come from it.
    pub(crate) fn new(random: ChaCha20Rng) -> Self {
        Self(Rc::new(RefCell::new(random)))
    }
}

impl TryRng for SharedRandom {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.0.borrow_mut().try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0.borrow_mut().try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().try_fill_bytes(bytes)
    }
}

impl TryCryptoRng for SharedRandom {}

fn common_labels(tenant: &Tenant) -> RequestLabels {
    let telemetry = tenant.telemetry;
    RequestLabels {
        tenant: Some(tenant.id.clone()),
        level: telemetry.log,
        exported: telemetry.sampling.one_in.is_some(),
        timed: telemetry.server_timing,
        ..RequestLabels::default()
    }
}

fn new_session_limit(tenant: &Tenant) -> Option<ClientLimit> {
    let most = tenant.new_sessions_per_minute?;
    Some(ClientLimit::new(most, 60_000))
}
