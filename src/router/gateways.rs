//! The gateways of the tenants that were used lately, and what they may remember together.

use std::collections::HashMap;

use crate::balancer::probe::Probe;
use crate::clock::UnixMillis;
use crate::effect::Write;
use crate::gateway::{Effects, Gateway};
use crate::store::cache::ISOLATE_WEIGHT;
use crate::telemetry::log::Event;
use crate::telemetry::series::Series;
use crate::tenant_id::TenantId;

/// So many tenants have a gateway in one isolate at a time; beyond that those that were not used
/// longest are let go, which costs their visitors a read.
pub(super) const MAX_GATEWAYS: usize = 256;

/// One gateway per tenant.
#[derive(Default)]
pub(super) struct Gateways {
    entries: HashMap<TenantId, TenantEntry>,
    /// Approximate bytes of the sessions that all of them remember.
    weight: usize,
    /// Whose gateways want something stored. It stays with them until it is taken: a step that is
    /// asked again must find what it wanted before.
    writers: Vec<TenantId>,
}

struct TenantEntry {
    gateway: Gateway,
    /// Approximate bytes of the sessions it remembered when it was last used.
    weight: usize,
    used: UnixMillis,
}

impl Gateways {
    pub(super) fn get(&self, tenant: &TenantId) -> Option<&Gateway> {
        self.entries.get(tenant).map(|entry| &entry.gateway)
    }

    pub(super) fn get_mut(&mut self, tenant: &TenantId) -> Option<&mut Gateway> {
        self.entries.get_mut(tenant).map(|entry| &mut entry.gateway)
    }

    pub(super) fn contains(&self, tenant: &TenantId) -> bool {
        self.entries.contains_key(tenant)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&TenantId, &Gateway)> {
        let entries = self.entries.iter();
        entries.map(|(tenant, entry)| (tenant, &entry.gateway))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&TenantId, &mut Gateway)> {
        let entries = self.entries.iter_mut();
        entries.map(|(tenant, entry)| (tenant, &mut entry.gateway))
    }

    /// Adds a gateway that remembers no session yet.
    pub(super) fn insert(&mut self, tenant: TenantId, gateway: Gateway, used: UnixMillis) {
        let entry = TenantEntry {
            gateway,
            weight: 0,
            used,
        };
        self.entries.insert(tenant, entry);
    }

    /// Acts at a tenant's gateway. Returns with the result the events to be logged and the probes to be sent; none if
    /// the tenant has no gateway here.
    pub(super) fn act<T>(
        &mut self,
        tenant: &TenantId,
        now: UnixMillis,
        act: impl FnOnce(&mut Gateway) -> T,
    ) -> Option<(T, Vec<Event>, Vec<Probe>)> {
        let entry = self.entries.get_mut(tenant)?;
        entry.used = now;
        let result = act(&mut entry.gateway);
        let Effects {
            events,
            probes,
            has_writes,
            weight,
        } = entry.gateway.take_effects();
        self.weight = self.weight.saturating_sub(entry.weight) + weight;
        entry.weight = weight;
        if has_writes && !self.writers.contains(tenant) {
            self.writers.push(tenant.clone());
        }
        if self.weight > ISOLATE_WEIGHT {
            self.evict_sessions(tenant);
        }
        Some((result, events, probes))
    }

    /// Takes the values to be stored, sealed, since the last call.
    pub(super) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for tenant in self.writers.drain(..) {
            if let Some(entry) = self.entries.get_mut(&tenant) {
                writes.extend(entry.gateway.sessions.take_writes());
            }
        }
        writes
    }

    /// Lets a tenant's gateway go. Returns what it counted and nobody has taken yet.
    pub(super) fn evict(&mut self, tenant: &TenantId) -> Option<Series> {
        let mut entry = self.entries.remove(tenant)?;
        self.weight = self.weight.saturating_sub(entry.weight);
        Some(entry.gateway.recorder.take_series())
    }

    /// The tenant that has to go before there is room for one more; none if there is. Who still wants something stored
    /// stays.
    pub(super) fn surplus(&self) -> Option<TenantId> {
        if self.entries.len() < MAX_GATEWAYS {
            return None;
        }
        let idle = |(tenant, _): &(&TenantId, &TenantEntry)| !self.writers.contains(tenant);
        let entries = self.entries.iter().filter(idle);
        let (oldest, _) = entries.min_by_key(|(_, entry)| entry.used)?;
        Some(oldest.clone())
    }

    /// Lets tenants forget their sessions until there is room for those of `tenant`: those first that
    /// were not used longest.
    fn evict_sessions(&mut self, tenant: &TenantId) {
        while self.weight > ISOLATE_WEIGHT {
            // Who still wants something stored may know what storage does not.
            let entries = self.entries.iter_mut().filter(|(id, entry)| {
                *id != tenant && entry.weight > 0 && !self.writers.contains(id)
            });
            let Some((_, entry)) = entries.min_by_key(|(_, entry)| entry.used) else {
                return;
            };
            self.weight = self.weight.saturating_sub(entry.weight);
            entry.weight = 0;
            entry.gateway.sessions.forget_sessions();
        }
    }

    /// Approximate bytes of the sessions that all of them remember.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}
