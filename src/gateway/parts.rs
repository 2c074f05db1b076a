//! Defines what a tenant's gateway knows in this isolate, by subject. Each part has its own state; the stages of a
//! request use the parts they need.

use core::cell::RefCell;
use core::convert::Infallible;
use std::collections::HashMap;
use std::rc::Rc;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, TryCryptoRng, TryRng};

use super::opening::Openings;
use super::providers::Providers;
use super::several_processes::RejectedIds;
use crate::auth::hashing::Slots;
use crate::balancer::cluster_view::ClusterView;
use crate::balancer::load::Load;
use crate::balancer::outlier_detection::Health;
use crate::balancer::probe::Probe;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::effect::Write;
use crate::http::rate_limit::{ClientLimit, RateLimit};
use crate::http::token_bucket::TokenBucket;
use crate::session::codec;
use crate::session::id::{Handle, RecordName};
use crate::session::lifetime::stored_until;
use crate::session::record::Entry;
use crate::store::cache::{Cache, Known};
use crate::store::revocations::Revocations;
use crate::telemetry::labels::RequestLabels;
use crate::telemetry::log::{Event, Level};
use crate::telemetry::series::Series;
use crate::tenant::Tenant;

/// Which sessions there are, and which are over.
pub(crate) struct Sessions {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) cache: Cache,
    /// Connections that guests opened, and nobody follows.
    pub(crate) openings: Openings,
    pub(crate) revocations: Revocations,
    /// To be stored, sealed.
    pub(crate) writes: Vec<Write>,
    pub(crate) random: SharedRandom,
}

impl Sessions {
    /// Knows no session yet.
    pub(crate) fn new(tenant: Rc<Tenant>, random: SharedRandom) -> Self {
        Self {
            tenant,
            cache: Cache::default(),
            openings: Openings::default(),
            revocations: Revocations::default(),
            writes: Vec::new(),
            random,
        }
    }

    /// The values to be stored, sealed, since the last call.
    pub(crate) fn take_writes(&mut self) -> Vec<Write> {
        core::mem::take(&mut self.writes)
    }

    /// Queues `entry` for storage, and remembers it.
    pub(crate) fn store(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        entry: Entry,
        now: UnixMillis,
    ) {
        recorder.state_changed = true;
        let tenant = &self.tenant;
        let name = RecordName::derive(&tenant.id, handle);
        let end = match &entry {
            Entry::Live(record) => tenant.lifetime.end(&record.span()),
            // As long as any cookie of it may still be valid.
            Entry::Ended { at } => *at + tenant.lifetime.longest(),
        };
        let ttl = stored_until(end, now.seconds());
        match codec::seal(&entry, &name, &tenant.keys, &mut self.random) {
            Some(value) => self.writes.push(Write::new(name.as_str(), value, ttl)),
            None => recorder.emit(Event::new(Level::Error, "record_not_sealed")),
        }
        let known = Known::new(entry, &self.tenant.keys);
        self.cache.put(handle, known, now);
    }

    /// Approximately how many bytes the sessions take that are remembered here.
    #[must_use]
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.cache.weight()
    }

    /// Forgets the sessions that are remembered here, which costs their visitors a read.
    pub(crate) fn forget_sessions(&mut self) {
        self.cache = Cache::default();
    }
}

/// How the origins are.
pub(crate) struct Balancer {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) health: Health,
    pub(crate) load: Load,
    pub(crate) cluster: ClusterView,
    /// To be sent to origins.
    pub(crate) probes: Vec<Probe>,
    /// Rejected ids of Engine.IO.
    pub(crate) rejected_ids: RejectedIds,
    /// Tells this isolate from others.
    pub(crate) isolate: u64,
    pub(crate) random: SharedRandom,
}

impl Balancer {
    /// Knows nothing yet of any origin.
    pub(crate) fn new(tenant: Rc<Tenant>, mut random: SharedRandom) -> Self {
        Self {
            isolate: random.next_u64(),
            tenant,
            health: Health::default(),
            load: Load::default(),
            cluster: ClusterView::default(),
            probes: Vec::new(),
            rejected_ids: RejectedIds::default(),
            random,
        }
    }
}

/// What is known of identity providers, of tokens they issued, and of passwords that are tried.
pub(crate) struct Logins {
    pub(crate) tenant: Rc<Tenant>,
    pub(crate) providers: Providers,
    /// Whose access tokens were asked for again lately, in the background.
    pub(crate) refreshing: HashMap<Handle, UnixMillis>,
    /// Access tokens of which the operator was told that they have run out, by their end.
    pub(crate) run_out: HashMap<Handle, UnixSeconds>,
    /// Passwords tried, per account; where objects count, they do.
    pub(crate) guesses: RateLimit,
    /// The same, per client.
    pub(crate) guessers: ClientLimit,
    /// Those that are being checked in this isolate, whoever's they are.
    pub(crate) hashing: Slots,
    pub(crate) random: SharedRandom,
}

impl Logins {
    /// Knows no provider yet.
    pub(crate) fn new(tenant: Rc<Tenant>, random: SharedRandom) -> Self {
        Self {
            providers: Providers::default(),
            refreshing: HashMap::new(),
            run_out: HashMap::new(),
            guesses: RateLimit::new(10, 60_000),
            guessers: ClientLimit::new(30, 60_000),
            hashing: Slots::default(),
            tenant,
            random,
        }
    }
}

/// What is limited beside the trying of passwords.
pub(crate) struct Limits {
    pub(crate) tenant: Rc<Tenant>,
    /// Wrong keys at the session API, per client.
    pub(crate) wrong_keys: ClientLimit,
    /// Forged cookies, per client. Generous: after an emergency change of keys every genuine cookie
    /// of an office behind one address is forged once.
    pub(crate) forgeries: ClientLimit,
    /// New sessions, per client.
    pub(crate) new_sessions: Option<ClientLimit>,
    /// The tenant's requests, if they are limited.
    pub(crate) requests: TokenBucket,
    /// How often requests beyond a limit of the tenant are logged: once a minute.
    pub(crate) refused_requests: RateLimit<&'static str>,
    /// How often files were not to be had, per path: the log is told once a minute.
    pub(crate) missing_files: RateLimit,
}

impl Limits {
    /// The limits of a tenant, of which nothing is used up.
    pub(crate) fn new(tenant: Rc<Tenant>) -> Self {
        Self {
            wrong_keys: ClientLimit::new(10, 60_000),
            forgeries: ClientLimit::new(300, 10_000),
            new_sessions: new_session_limit(&tenant),
            requests: TokenBucket::default(),
            refused_requests: RateLimit::new(1, 60_000),
            missing_files: RateLimit::new(1, 60_000),
            tenant,
        }
    }

    /// Goes on by what is newly said of the tenant; what is used up stays so.
    pub(crate) fn reload(&mut self, tenant: Rc<Tenant>) {
        if tenant.new_sessions_per_minute != self.tenant.new_sessions_per_minute {
            self.new_sessions = new_session_limit(&tenant);
        }
        self.tenant = tenant;
    }
}

/// What is recorded: of the request that is being decided on, and since it was taken last.
pub(crate) struct Recorder {
    pub(crate) tenant: Rc<Tenant>,
    /// Labels that all requests of the tenant have.
    pub(super) common: RequestLabels,
    /// Labels of the request.
    pub(crate) labels: RequestLabels,
    /// To be logged.
    pub(crate) events: Vec<Event>,
    /// To be counted.
    pub(crate) series: Series,
    /// Whether what was decided or settled last told anything that decisions depend on.
    pub(crate) state_changed: bool,
}

impl Recorder {
    /// Has nothing to tell yet.
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

    /// Applies a new configuration. What is recorded stays.
    pub(crate) fn reload(&mut self, tenant: Rc<Tenant>) {
        self.common = common_labels(&tenant);
        self.tenant = tenant;
    }
}

/// One tenant's random numbers, from one cryptographic source that all of its parts draw from.
#[derive(Clone)]
pub(crate) struct SharedRandom(Rc<RefCell<ChaCha20Rng>>);

impl SharedRandom {
    /// `random` must be seeded from a cryptographic source: session ids and nonces come from it.
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
        tenant: tenant.id.as_str().to_owned(),
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
