//! What a tenant's gateway knows in this isolate, by what it is about. Each part has its own state; the stages of a
//! request use the parts they need.

use std::collections::HashMap;

use super::login::Providers;
use super::new_session_limit;
use super::opening::Openings;
use crate::auth::hashing::Places;
use crate::balancer::cluster_view::ClusterView;
use crate::balancer::load::Load;
use crate::balancer::outlier_detection::Health;
use crate::balancer::probe::Probe;
use crate::clock::{UnixMillis, UnixSeconds};
use crate::http::rate_limit::{ClientLimit, RateLimit};
use crate::session::id::Handle;
use crate::store::cache::Cache;
use crate::store::revocations::Revocations;
use crate::telemetry::labels::RequestLabels;
use crate::telemetry::log::Event;
use crate::telemetry::series::Series;
use crate::tenant::Tenant;

/// Which sessions there are, and which are over.
#[derive(Default)]
pub(super) struct Sessions {
    pub(super) cache: Cache,
    /// Connections that guests opened, and nobody follows.
    pub(super) openings: Openings,
    pub(super) revocations: Revocations,
}

/// How the origins are.
pub(super) struct Balancer {
    pub(super) health: Health,
    pub(super) load: Load,
    pub(super) cluster: ClusterView,
    /// To be sent to origins.
    pub(super) probes: Vec<Probe>,
    /// Tells this isolate from others.
    pub(super) isolate: u64,
}

impl Balancer {
    /// Knows nothing yet of any origin.
    pub(super) fn new(isolate: u64) -> Self {
        Self {
            health: Health::default(),
            load: Load::default(),
            cluster: ClusterView::default(),
            probes: Vec::new(),
            isolate,
        }
    }
}

/// What is known of identity providers, of tokens they issued, and of passwords that are tried.
pub(super) struct Logins {
    pub(super) providers: Providers,
    /// Whose access tokens were asked for anew lately, beside a request.
    pub(super) refreshing: HashMap<Handle, UnixMillis>,
    /// Access tokens of which the operator was told that they have run out, by their end.
    pub(super) run_out: HashMap<Handle, UnixSeconds>,
    /// Passwords tried, per account; where objects count, they do.
    pub(super) guesses: RateLimit,
    /// The same, per client.
    pub(super) guessers: ClientLimit,
    /// Those that are being checked in this isolate, whoever's they are.
    pub(super) hashing: Places,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            providers: Providers::default(),
            refreshing: HashMap::new(),
            run_out: HashMap::new(),
            guesses: RateLimit::new(10, 60_000),
            guessers: ClientLimit::new(30, 60_000),
            hashing: Places::default(),
        }
    }
}

/// What is limited beside the trying of passwords.
pub(super) struct Limits {
    /// Wrong keys at the session API, per client.
    pub(super) wrong_keys: ClientLimit,
    /// Forged cookies, per client. Generous: after an emergency change of keys every genuine cookie
    /// of an office behind one address is forged once.
    pub(super) forgeries: ClientLimit,
    /// New sessions, per client.
    pub(super) new_sessions: Option<ClientLimit>,
    /// How often files were not to be had, per path: the log is told once a minute.
    pub(super) missing_files: RateLimit,
}

impl Limits {
    /// The limits of a tenant, of which nothing is used up.
    pub(super) fn new(tenant: &Tenant) -> Self {
        Self {
            wrong_keys: ClientLimit::new(10, 60_000),
            forgeries: ClientLimit::new(300, 10_000),
            new_sessions: new_session_limit(tenant),
            missing_files: RateLimit::new(1, 60_000),
        }
    }
}

/// What is recorded: of the request that is being decided on, and since it was taken last.
#[derive(Default)]
pub(super) struct Recorder {
    /// How the request is labelled.
    pub(super) labels: RequestLabels,
    /// To be logged.
    pub(super) events: Vec<Event>,
    /// To be counted.
    pub(super) series: Series,
    /// Whether what was decided or settled last told anything that decisions depend on.
    pub(super) state_changed: bool,
}
