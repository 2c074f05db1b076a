//! Finds the tenant of a request by its host, and by path or headers where `TENANT_BY` says so. Caches the tenants'
//! documents.
//!
//! Documents are stored under `tenant:<id>`, and host bindings under `host:<pattern>`, with a
//! [qualifier](crate::http::qualifier) behind the pattern. The document decides: a host that it does not list is not
//! its tenant's, whatever its binding names. If a document is unreadable or invalid, its
//! last valid version stays in force.

mod documents;
mod pattern_cache;

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::http::host::{Host, HostPattern};
use crate::http::network::Network;
use crate::http::rate_limit::Verdict;
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::telemetry::log::{Event, Level};
use crate::tenant_id::TenantId;

use pattern_cache::{HostBinding, PatternCache};

/// Age up to which a cached document is used without a read, in milliseconds.
pub(super) const FRESH_MS: u64 = 10_000;

/// Age up to which it is used while a background read refreshes it, in milliseconds.
const USABLE_MS: u64 = 60_000;

/// Maximum cached hosts; at the limit all are forgotten.
const MAX_HOSTS: usize = 4_096;

/// Lookup of tenants.
pub(super) enum TenantRegistry {
    /// One tenant serves every host.
    One(TenantId),
    /// Tenants come from documents.
    Many {
        /// Known hosts by full name and qualifier: all that most requests need.
        hosts: HashMap<String, HostBinding>,
        /// Lookups of patterns, including those without a tenant.
        patterns: Box<PatternCache>,
        documents: HashMap<TenantId, CachedDocument>,
        /// Tenants whose document was invalid at this time, without a valid version in the cache.
        broken: HashMap<TenantId, UnixMillis>,
        /// Time of the last invalid document per tenant.
        faults: HashMap<TenantId, UnixMillis>,
    },
}

/// Cached document of a tenant's gateway.
pub(super) struct CachedDocument {
    text: Vec<u8>,
    version: String,
    hosts: Vec<HostPattern>,
    /// Time of the last read.
    asked: UnixMillis,
    /// Time of the last background read.
    refreshed: UnixMillis,
}

impl TenantRegistry {
    pub(super) fn new(only: Option<TenantId>) -> Self {
        only.map_or_else(
            || Self::Many {
                hosts: HashMap::new(),
                patterns: Box::default(),
                documents: HashMap::new(),
                broken: HashMap::new(),
                faults: HashMap::new(),
            },
            Self::One,
        )
    }

    /// Forgets a tenant whose gateway was evicted.
    pub(super) fn forget(&mut self, tenant: &TenantId) {
        if let Self::Many { documents, .. } = self {
            documents.remove(tenant);
        }
    }

    /// Forgets the bindings of hosts that this isolate changed.
    pub(super) fn forget_hosts<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        if let Self::Many {
            hosts, patterns, ..
        } = self
        {
            for pattern in keys.filter_map(|key| key.strip_prefix("host:")) {
                patterns.forget(pattern);
                hosts.clear();
            }
        }
    }

    /// Returns the version of a tenant's document in force.
    pub(super) fn version_of(&self, tenant: &TenantId) -> Option<&str> {
        match self {
            Self::One(_) => None,
            Self::Many { documents, .. } => {
                documents.get(tenant).map(|known| known.version.as_str())
            }
        }
    }

    /// Returns the time of the last invalid document per tenant.
    pub(super) fn faults(&self) -> Vec<(&TenantId, UnixMillis)> {
        match self {
            Self::One(_) => Vec::new(),
            Self::Many { faults, .. } => faults.iter().map(|(id, at)| (id, *at)).collect(),
        }
    }

    /// Returns the single tenant of a deployment without documents.
    pub(super) fn only(&self) -> Option<&TenantId> {
        match self {
            Self::One(tenant) => Some(tenant),
            Self::Many { .. } => None,
        }
    }

    /// Returns whether tenants come from documents.
    pub(super) fn is_of_many(&self) -> bool {
        matches!(self, Self::Many { .. })
    }

    /// Returns whether a tenant's document is due for a background read, and marks that read as begun.
    pub(super) fn is_due(&mut self, tenant: &TenantId, now: UnixMillis) -> bool {
        let Self::Many { documents, .. } = self else {
            return false;
        };
        match documents.get_mut(tenant) {
            Some(known)
                if now.millis_since(known.asked) >= FRESH_MS
                    && now.millis_since(known.refreshed) >= FRESH_MS =>
            {
                known.refreshed = now;
                true
            }
            _ => false,
        }
    }
}

impl Router {
    /// Returns the tenant of a request, with its gateway ready.
    pub(super) fn tenant_of(
        &mut self,
        request: &Request<'_>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<TenantId, Interrupt> {
        let hosts = match &mut self.registry {
            TenantRegistry::One(tenant) => return Ok(tenant.clone()),
            TenantRegistry::Many { hosts, .. } => hosts,
        };
        let unknown = || Interrupt::Reject(Problem::UnknownHost);
        let host = Host::canonical(request.location.authority).ok_or_else(unknown)?;
        let by = &self.deployment.tenant_by;
        let place = if by.is_host_alone() {
            Place::of(host)
        } else {
            Place {
                qualifiers: by.qualifiers(request),
                ..Place::of(host)
            }
        };
        let known = hosts
            .get(&*place.name())
            .filter(|binding| now.millis_since(binding.asked) < USABLE_MS);
        let tenant = match known.and_then(|binding| binding.tenant.clone()) {
            Some(tenant) => Some(tenant),
            None => self.look_up(&place, request.client_network(), now, answers)?,
        };
        let tenant = tenant.ok_or_else(unknown)?;
        self.ready(&tenant, now, answers)?;
        let TenantRegistry::Many { documents, .. } = &self.registry else {
            return Err(unknown());
        };
        let lists_host =
            |known: &CachedDocument| known.hosts.iter().any(|pattern| place.is_in(pattern));
        let is_listed = documents.get(&tenant).is_some_and(lists_host);
        is_listed.then_some(tenant).ok_or_else(unknown)
    }

    /// Looks up the host and each of its suffixes, longest first, and each of them with the most specific qualifier
    /// first. Reads only those that were not read lately.
    fn look_up(
        &mut self,
        place: &Place,
        client: Network,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Option<TenantId>, Interrupt> {
        let TenantRegistry::Many {
            hosts, patterns, ..
        } = &mut self.registry
        else {
            return Ok(None);
        };
        let mut needs = Vec::new();
        let mut asked = now;
        let mut owner = None;
        for pattern in place.patterns() {
            let key = format!("host:{pattern}");
            let binding = match answers.read(&key) {
                Some(answer) => {
                    let binding = HostBinding {
                        tenant: bound_tenant(answer.found)?,
                        asked: answer.asked,
                    };
                    patterns.put(&pattern, binding.clone());
                    binding
                }
                None => match patterns.get(&pattern, now) {
                    Some(binding) => binding,
                    None => {
                        needs.push(Need::Document { key });
                        continue;
                    }
                },
            };
            asked = asked.min(binding.asked);
            if binding.tenant.is_some() {
                owner = binding.tenant;
                break;
            }
        }
        if !needs.is_empty() {
            self.limit_lookups(place, client, now)?;
            return Err(Interrupt::Pending(needs));
        }
        if owner.is_some() {
            if hosts.len() >= MAX_HOSTS {
                hosts.clear();
            }
            let binding = HostBinding {
                tenant: owner.clone(),
                asked,
            };
            hosts.insert(place.name().into_owned(), binding);
        }
        Ok(owner)
    }

    /// Refuses a client that makes up paths or headers: each costs reads. Hosts are not counted, because the
    /// deployment's routes limit them. Clients of unknown address are exempt, because they share one count.
    fn limit_lookups(
        &mut self,
        place: &Place,
        client: Network,
        now: UnixMillis,
    ) -> Result<(), Interrupt> {
        if place.qualifiers.is_empty() || client == Network::Unknown {
            return Ok(());
        }
        let verdict = self.lookups.count(client, now);
        if matches!(verdict, Verdict::Passed(_)) {
            self.emit(Event::new(Level::Warn, "tenant_lookups_limited"));
        }
        match verdict {
            Verdict::First | Verdict::Counted => Ok(()),
            Verdict::Passed(_) | Verdict::Over(_) => {
                Err(Interrupt::Reject(Problem::TooManyRequests))
            }
        }
    }

    /// Ensures that a tenant's gateway exists, with a document that is fresh enough.
    pub(super) fn ready(
        &mut self,
        tenant: &TenantId,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<(), Interrupt> {
        if !self.registry.is_of_many() {
            return Ok(());
        }
        self.apply_document(tenant, answers);
        let TenantRegistry::Many {
            documents, broken, ..
        } = &self.registry
        else {
            return Ok(());
        };
        let key = document_key(tenant);
        let is_asked = answers.found(&key).is_some();
        // Limits reads and log lines to one per [`FRESH_MS`].
        let is_fresh = |asked: &UnixMillis| now.millis_since(*asked) < FRESH_MS;
        if !is_asked && broken.get(tenant).is_some_and(is_fresh) {
            return Err(Interrupt::Reject(Problem::TenantMisconfigured));
        }
        match documents.get(tenant) {
            Some(known) if self.gateways.contains(tenant) => {
                let is_usable = now.millis_since(known.asked) < USABLE_MS;
                // An unavailable store has changed nothing.
                if is_usable || is_asked {
                    return Ok(());
                }
            }
            _ if is_asked => {
                return Err(Interrupt::Reject(match answers.found(&key) {
                    Some(Found::Absent) => Problem::UnknownHost,
                    Some(Found::Bytes(_)) => Problem::TenantMisconfigured,
                    _ => Problem::TenantsUnavailable,
                }));
            }
            _ => {}
        }
        Err(Interrupt::Pending(vec![Need::Document { key }]))
    }

    /// Reads a tenant's document again, in the background.
    pub(super) fn refresh(
        &mut self,
        tenant: &TenantId,
        now: UnixMillis,
        answers: &Answers,
    ) -> Option<Need> {
        let TenantRegistry::Many { documents, .. } = &self.registry else {
            return None;
        };
        let is_old = documents
            .get(tenant)
            .is_some_and(|known| now.millis_since(known.asked) >= FRESH_MS);
        let key = document_key(tenant);
        if answers.found(&key).is_some() {
            self.apply_document(tenant, answers);
            return None;
        }
        is_old.then_some(Need::Document { key })
    }
}

/// Parts of a request that select its tenant.
struct Place {
    host: Host,
    /// Qualifiers behind the host, the most specific first; those of the host alone are omitted.
    qualifiers: Vec<String>,
}

impl Place {
    fn of(host: Host) -> Self {
        let qualifiers = Vec::new();
        Self { host, qualifiers }
    }

    /// Returns the full name in the cache of hosts.
    fn name(&self) -> Cow<'_, str> {
        match self.qualifiers.first() {
            None => self.host.as_str().into(),
            Some(qualifier) => [self.host.as_str(), qualifier].concat().into(),
        }
    }

    /// Returns the patterns that match, the most specific first.
    fn patterns(&self) -> impl Iterator<Item = String> {
        self.host.patterns().flat_map(|host| {
            let qualified = self.qualifiers.iter();
            let mut patterns: Vec<String> =
                qualified.map(|one| [host.as_str(), one].concat()).collect();
            patterns.push(host);
            patterns
        })
    }

    /// Returns whether a pattern matches.
    fn is_in(&self, pattern: &HostPattern) -> bool {
        let qualifier = pattern.qualifier();
        pattern.means(&self.host)
            && (qualifier.is_empty() || self.qualifiers.iter().any(|own| own == qualifier))
    }
}

/// Returns the tenant in a host binding. If a longer suffix cannot be read, a shorter one must not decide instead.
fn bound_tenant(found: &Found) -> Result<Option<TenantId>, Interrupt> {
    match found {
        Found::Bytes(bytes) => {
            let id = core::str::from_utf8(bytes).ok();
            Ok(id.and_then(TenantId::parse))
        }
        Found::Absent => Ok(None),
        Found::Unavailable => Err(Interrupt::Reject(Problem::TenantsUnavailable)),
    }
}

/// Returns the key of a tenant's document.
pub(super) fn document_key(tenant: &TenantId) -> String {
    format!("tenant:{tenant}")
}
