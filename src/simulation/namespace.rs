//! Simulates a namespace as bad as Workers KV may be. Each location sees a write up to minutes later, and meanwhile out
//! of order. Reads stay cached, including missing keys. Writes fail, and some failed writes took effect.

use std::collections::HashMap;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::Rng as _;

use crate::effect::Found;

/// Time for which a location serves a cached read, in milliseconds.
const CACHED_MS: u64 = 30_000;

/// Write on its way to the locations.
struct Arrival {
    order: u64,
    /// Time when all locations have it, and no earlier write arrives after it.
    arrived_everywhere_at: u64,
    /// Time of arrival by location.
    at: Vec<u64>,
    value: Vec<u8>,
}

struct Cached {
    found: Option<Vec<u8>>,
    until: u64,
}

pub(crate) struct Namespace {
    locations: usize,
    slowest_ms: u64,
    reorders: bool,
    writes: HashMap<String, Vec<Arrival>>,
    cached: HashMap<(usize, String), Cached>,
    orders: u64,
}

impl Namespace {
    pub(crate) fn new(locations: usize, slowest_ms: u64, reorders: bool) -> Self {
        Self {
            locations,
            slowest_ms,
            reorders,
            writes: HashMap::new(),
            cached: HashMap::new(),
            orders: 0,
        }
    }

    pub(crate) fn put(&mut self, key: &str, value: Vec<u8>, now: u64, random: &mut ChaCha20Rng) {
        self.orders += 1;
        let delay = |random: &mut ChaCha20Rng| match random.next_u32() % 4 {
            0 => 0,
            1 => random.next_u64() % 1_000,
            _ => random.next_u64() % (self.slowest_ms + 1),
        };
        let at = (0..self.locations).map(|_| now + delay(random)).collect();
        self.writes
            .entry(key.to_owned())
            .or_default()
            .push(Arrival {
                order: self.orders,
                arrived_everywhere_at: now + self.slowest_ms,
                at,
                value,
            });
    }

    pub(crate) fn get(&mut self, location: usize, key: &str, now: u64) -> Found {
        let place = (location, key.to_owned());
        let known = self.cached.get(&place).filter(|cached| now < cached.until);
        let found = match known {
            Some(cached) => cached.found.clone(),
            None => {
                let found = self.arrived(location, key, now);
                let until = now + CACHED_MS;
                let cached = Cached {
                    found: found.clone(),
                    until,
                };
                self.cached.insert(place, cached);
                found
            }
        };
        found.map_or(Found::Absent, Found::Bytes)
    }

    /// Returns the last put value.
    pub(crate) fn latest(&self, key: &str) -> Option<&[u8]> {
        let writes = self.writes.get(key)?.iter();
        let latest = writes.max_by_key(|write| write.order)?;
        Some(&latest.value)
    }

    /// Returns the keys that a location sees.
    pub(crate) fn list(&self, location: usize, prefix: &str, now: u64) -> Vec<String> {
        let mut names: Vec<String> = self
            .writes
            .keys()
            .filter(|key| key.starts_with(prefix) && self.arrived(location, key, now).is_some())
            .cloned()
            .collect();
        names.sort();
        names
    }

    fn arrived(&self, location: usize, key: &str, now: u64) -> Option<Vec<u8>> {
        let writes = self.writes.get(key)?;
        let arrived = writes.iter().filter(|write| write.at[location] <= now);
        let latest = if self.reorders {
            let everywhere = writes
                .iter()
                .filter(|write| write.arrived_everywhere_at <= now);
            let floor = everywhere
                .map(|write| write.order)
                .max()
                .unwrap_or_default();
            let may_win = arrived.filter(|write| write.order >= floor);
            may_win.max_by_key(|write| write.at[location])
        } else {
            arrived.max_by_key(|write| write.order)
        };
        latest.map(|write| write.value.clone())
    }
}
