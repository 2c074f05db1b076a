//! Finds the tenant of a request by its host, and by path or headers where `TENANT_BY` says so. Caches the tenants'
//! documents.
//!
//! Documents are stored under `tenant:<id>`, and host bindings under `host:<pattern>`, with a
//! [qualifier](crate::http::qualifier) behind the pattern. The document decides: a host that it does not list is not
//! its tenant's, whatever its binding names. If a document is unreadable or invalid, its
//! last valid version stays in force.

mod documents;
mod pattern_cache;
mod place;

use std::collections::HashMap;

use super::{Interrupt, Router};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::http::host::{Host, HostPattern};
use crate::http::network::Network;
use crate::http::rate_limit::Verdict;
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::telemetry::log::{ConfigName, Event, Level};
use crate::tenant_id::TenantId;

use pattern_cache::{HostBinding, PatternCache, Unreadable};
use place::Place;

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
        hosts: HashMap<String, Selected>,
        /// Lookups of patterns, including those without a tenant.
        patterns: Box<PatternCache>,
        documents: HashMap<TenantId, CachedDocument>,
        /// Tenants whose document was invalid at this time, without a valid version in the cache.
        broken: HashMap<TenantId, UnixMillis>,
        /// Time of the last invalid document per tenant.
        faults: HashMap<TenantId, UnixMillis>,
    },
}

/// Tenant that the bindings of a host and qualifier select.
pub(super) struct Selected {
    tenant: TenantId,
    /// Time of the earliest read.
    asked: UnixMillis,
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
        } else if by.is_ambiguous(request.location.path) {
            return Err(Interrupt::Reject(Problem::BadPath));
        } else {
            Place {
                qualifiers: by.qualifiers(request),
                ..Place::of(host)
            }
        };
        let known = hosts
            .get(&*place.name())
            .filter(|known| now.millis_since(known.asked) < USABLE_MS);
        let tenant = match known {
            Some(known) => known.tenant.clone(),
            None => {
                let owner = self.look_up(&place, request.client_network(), now, answers)?;
                owner.ok_or_else(unknown)?
            }
        };
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
        // Hosts are not counted, because the deployment's routes limit them. Clients of unknown address are exempt, because
        // they share one count.
        let is_limited = !place.qualifiers.is_empty() && client != Network::Unknown;
        let mut needs = Vec::new();
        let mut asked = now;
        let mut is_read = false;
        let mut owner = Ok(None);
        for pattern in place.patterns() {
            let key = format!("host:{pattern}");
            let binding = match answers.read(&key) {
                Some(answer) => {
                    is_read = true;
                    let Some(tenant) = bound_tenant(answer.found) else {
                        owner = Err(Problem::TenantsUnavailable);
                        break;
                    };
                    let asked = answer.asked;
                    let binding = HostBinding { tenant, asked };
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
            match binding.tenant {
                Ok(None) => {}
                Ok(Some(tenant)) => {
                    owner = Ok(Some((tenant, place.is_own(&pattern))));
                    break;
                }
                Err(Unreadable) => {
                    owner = Err(Problem::TenantMisconfigured);
                    break;
                }
            }
        }
        if !needs.is_empty() {
            if !is_limited || self.lookups.wait(client, now).is_none() {
                return Err(Interrupt::Pending(needs));
            }
            // Visitors behind one address share its limit, so a binding in use is used on, even if it is old.
            let known = hosts.get(&*place.name());
            let known = known.map(|known| Some(known.tenant.clone()));
            return known.ok_or(Interrupt::Reject(Problem::TooManyRequests));
        }
        if let Ok(Some((tenant, _))) = &owner {
            if hosts.len() >= MAX_HOSTS {
                hosts.clear();
            }
            let tenant = tenant.clone();
            hosts.insert(place.name().into_owned(), Selected { tenant, asked });
        }
        // A client may make up paths and headers, but none that has a binding of its own.
        if is_limited && is_read && !matches!(owner, Ok(Some((_, true)))) {
            self.count_lookup(client, now);
        }
        if is_read && matches!(owner, Err(Problem::TenantMisconfigured)) {
            let event = Event::new(Level::Error, "tenant_binding_broken");
            self.emit(event.with("host", ConfigName(&place.name())));
        }
        match owner {
            Ok(owner) => Ok(owner.map(|(tenant, _)| tenant)),
            Err(problem) => Err(Interrupt::Reject(problem)),
        }
    }

    /// Counts a lookup, which costs reads, against the client's limit.
    fn count_lookup(&mut self, client: Network, now: UnixMillis) {
        if matches!(self.lookups.count(client, now), Verdict::Passed(_)) {
            self.emit(Event::new(Level::Warn, "tenant_lookups_limited"));
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

/// Returns the tenant in a host binding; `None` if the store is unavailable. If the binding of a longer suffix cannot be
/// read, a shorter one must not decide instead.
fn bound_tenant(found: &Found) -> Option<Result<Option<TenantId>, Unreadable>> {
    match found {
        Found::Bytes(bytes) => {
            // Editors and `echo` end a value with a line break.
            let id = core::str::from_utf8(bytes.trim_ascii()).ok();
            Some(id.and_then(TenantId::parse).map(Some).ok_or(Unreadable))
        }
        Found::Absent => Some(Ok(None)),
        Found::Unavailable => None,
    }
}

/// Returns the key of a tenant's document.
pub(super) fn document_key(tenant: &TenantId) -> String {
    format!("tenant:{tenant}")
}
