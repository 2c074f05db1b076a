//! Records recent figures, which the console's plots begin with.

use std::collections::VecDeque;

use serde_json::Value;

use super::overview::Figures;
use crate::clock::UnixMillis;
use crate::encoding::json;
use crate::flat_map::FlatMap;
use crate::sorted;
use crate::telemetry::gauge::Gauge;
use crate::telemetry::histogram::seconds;
use crate::telemetry::series::Series;

/// Interval between points, in milliseconds.
const EVERY_MS: u64 = 5_000;

/// Maximum points: ten minutes.
const KEPT: usize = 120;

/// Maximum tenants with a history of their own: those with the most requests.
const MAX_TENANTS: usize = 64;

#[derive(Debug)]
struct Point {
    at: UnixMillis,
    all: Figures,
    by_tenant: FlatMap<String, Figures>,
}

/// Recent points.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Point>);

impl History {
    /// Returns whether the next point is due.
    pub(super) fn is_due(&self, now: UnixMillis) -> bool {
        self.0
            .back()
            .is_none_or(|last| now.millis_since(last.at) >= EVERY_MS)
    }

    pub(super) fn note(
        &mut self,
        series: &Series,
        active: &[(String, u64)],
        gauges: &[Gauge],
        now: UnixMillis,
    ) {
        let mut by_tenant = Figures::by_tenant(series, active, gauges);
        let mut all = Figures::of_nobody(series);
        by_tenant.values().for_each(|own| all.add(own));
        if by_tenant.len() > MAX_TENANTS {
            let mut most: Vec<(String, Figures)> = by_tenant.into_entries();
            sorted::by(&mut most, |(_, one), (_, other)| {
                other.requests.cmp(&one.requests)
            });
            most.truncate(MAX_TENANTS);
            by_tenant = most.into_iter().collect();
        }
        self.0.push_back(Point {
            at: now,
            all,
            by_tenant,
        });
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    pub(super) fn to_json(&self, tenant: Option<&str>) -> Value {
        let points = self.0.iter().filter_map(|point| {
            let figures = match tenant {
                None => &point.all,
                Some(tenant) => point.by_tenant.get(tenant)?,
            };
            Some(json!({
                "at": point.at.0,
                "requests": figures.requests,
                "errors": figures.errors,
                "edge_seconds": seconds(figures.edge_ms),
                "origin_seconds": seconds(figures.origin_ms),
                "kv_reads": figures.kv_reads,
                "kv_writes": figures.kv_writes,
                "object_calls": figures.object_calls,
                "sessions_active": figures.sessions_active,
                "streams_active": figures.streams_active,
            }))
        });
        points.collect()
    }
}
