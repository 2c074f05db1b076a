//! Holds the gateways of the tenants in use and bounds the memory of all their sessions together.

use std::collections::HashMap;

use crate::balancer::probe::Probe;
use crate::clock::UnixMillis;
use crate::effect::Write;
use crate::gateway::{Effects, Gateway};
use crate::store::cache::ISOLATE_WEIGHT;
use crate::telemetry::log::Event;
use crate::telemetry::series::Series;
use crate::tenant_id::TenantId;

/// Maximum gateways in one isolate. Beyond that the least recently used one is evicted, which costs its tenant a read.
pub(super) const MAX_GATEWAYS: usize = 256;

/// Gateways by tenant.
#[derive(Default)]
pub(super) struct Gateways {
    entries: HashMap<TenantId, TenantEntry>,
    /// Approximate bytes of the sessions that all gateways cache.
    weight: usize,
    /// Tenants with writes to take. The writes stay with their gateways until taken, because a repeated decision must
    /// find them.
    writers: Vec<TenantId>,
}

struct TenantEntry {
    gateway: Gateway,
    /// Approximate bytes of its cached sessions after its last use.
    weight: usize,
    used: UnixMillis,
}

impl TenantEntry {
    /// Returns the order of eviction.
    fn rank(&self, now: UnixMillis) -> (bool, UnixMillis) {
        let is_pending = self.gateway.sessions.write_behind.is_pending(now);
        (is_pending, self.used)
    }
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

    /// Adds a gateway without cached sessions.
    pub(super) fn insert(&mut self, tenant: TenantId, gateway: Gateway, used: UnixMillis) {
        let entry = TenantEntry {
            gateway,
            weight: 0,
            used,
        };
        self.entries.insert(tenant, entry);
    }

    /// Runs `act` on a tenant's gateway. Returns the result with the events to log and the probes to send, or `None`
    /// without a gateway.
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
            self.evict_sessions(tenant, now);
        }
        Some((result, events, probes))
    }

    /// Takes the sealed values to store since the last call.
    pub(super) fn take_writes(&mut self) -> Vec<Write> {
        let mut writes = Vec::new();
        for tenant in self.writers.drain(..) {
            if let Some(entry) = self.entries.get_mut(&tenant) {
                writes.extend(entry.gateway.sessions.take_writes());
            }
        }
        writes
    }

    /// Removes a tenant's gateway. Returns its counts that were not reported yet.
    pub(super) fn evict(&mut self, tenant: &TenantId) -> Option<Series> {
        let mut entry = self.entries.remove(tenant)?;
        self.weight = self.weight.saturating_sub(entry.weight);
        Some(entry.gateway.recorder.take_series())
    }

    /// Returns the least recently used tenant if there is no room for another. Tenants with pending writes stay, and
    /// those with values that are not stored go last.
    pub(super) fn surplus(&self, now: UnixMillis) -> Option<TenantId> {
        if self.entries.len() < MAX_GATEWAYS {
            return None;
        }
        let idle = |(tenant, _): &(&TenantId, &TenantEntry)| !self.writers.contains(tenant);
        let entries = self.entries.iter().filter(idle);
        let (oldest, _) = entries.min_by_key(|(_, entry)| entry.rank(now))?;
        Some(oldest.clone())
    }

    /// Evicts cached sessions of other tenants, least recently used first and those with values that are not stored
    /// last, until all fit into [`ISOLATE_WEIGHT`].
    fn evict_sessions(&mut self, tenant: &TenantId, now: UnixMillis) {
        while self.weight > ISOLATE_WEIGHT {
            // A gateway with pending writes may hold data that storage lacks.
            let entries = self.entries.iter_mut().filter(|(id, entry)| {
                *id != tenant && entry.weight > 0 && !self.writers.contains(id)
            });
            let Some((_, entry)) = entries.min_by_key(|(_, entry)| entry.rank(now)) else {
                return;
            };
            self.weight = self.weight.saturating_sub(entry.weight);
            entry.weight = 0;
            entry.gateway.sessions.forget_sessions();
        }
    }

    /// Returns the approximate bytes of the sessions that all gateways cache.
    #[cfg(test)]
    pub(super) fn weight(&self) -> usize {
        self.weight
    }
}
