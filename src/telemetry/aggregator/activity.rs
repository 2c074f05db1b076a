//! Counts the sessions of each tenant that were used recently.

use std::collections::VecDeque;

use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;
use crate::telemetry::kmv_sketch::KmvSketch;

/// Minutes for which a session counts as active after its last request.
const MINUTES: u64 = 5;

const MINUTE_MS: u64 = 60_000;

/// Sketches of the last minutes, by tenant.
#[derive(Debug, Default)]
pub(super) struct Activity(FlatMap<String, VecDeque<(u64, KmvSketch)>>);

impl Activity {
    /// Records sessions in use, by hashes of their handles.
    pub(super) fn see(&mut self, tenant: String, hashes: Vec<u32>, now: UnixMillis) {
        let minute = now.0 / MINUTE_MS;
        let minutes = self.0.or_default(tenant);
        if minutes.back().is_none_or(|(last, _)| *last != minute) {
            minutes.push_back((minute, KmvSketch::default()));
        }
        while minutes
            .front()
            .is_some_and(|(first, _)| first + MINUTES < minute)
        {
            minutes.pop_front();
        }
        if let Some((_, seen)) = minutes.back_mut() {
            hashes.into_iter().for_each(|hash| seen.see(hash));
        }
    }

    /// Returns the number of active sessions by tenant.
    pub(super) fn counts(&self, now: UnixMillis) -> Vec<(String, u64)> {
        let minute = now.0 / MINUTE_MS;
        let of_one = |minutes: &VecDeque<(u64, KmvSketch)>| {
            let mut all = KmvSketch::default();
            for (at, seen) in minutes {
                if at + MINUTES > minute {
                    all.merge(seen);
                }
            }
            all.count()
        };
        self.0
            .iter()
            .map(|(tenant, minutes)| (tenant.clone(), of_one(minutes)))
            .collect()
    }
}
