//! Sharing with all other isolates what is known about the origins: told and asked in the background,
//! never in its way.

use super::parts::Balancer;
use serde_json::{Map, Value};

use crate::balancer::cluster_view::{ClusterView, LocalView};
use crate::balancer::health_check::HealthCheck;
use crate::balancer::pool::{Origin, OriginState};
use crate::clock::UnixMillis;
use crate::effect::{Answers, CALL_DEADLINE_MS, Class, Found, Need};
use crate::encoding::json;
use crate::encoding::object;
use crate::telemetry::gauge::{Gauge, Milli};
use crate::telemetry::metric;

/// What the pool object's answer is filed under.
pub(crate) const POOL: &str = "pool";

impl Balancer {
    /// Tells and learns. Returns what it lacks.
    pub(crate) fn sync_origins(&mut self, answers: &Answers, now: UnixMillis) -> Option<Need> {
        match answers.found(POOL) {
            None => {
                let pool = self.tenant.pool.iter();
                let told: Vec<LocalView<'_>> = pool
                    .map(|origin| LocalView {
                        origin: &origin.name,
                        under_way: self.load.under_way(&origin.name),
                        held: self.load.held(&origin.name, now),
                        reported: self.load.reported(&origin.name, now),
                        ejected_until: self.health.ejected_until(&origin.name),
                    })
                    .collect();
                Some(self.pool_need(ClusterView::command(self.isolate, &told)))
            }
            Some(Found::Bytes(answer)) => {
                self.cluster.learn(answer, now);
                None
            }
            Some(Found::Absent | Found::Unavailable) => None,
        }
    }

    /// Returns where origins say that they are ready.
    pub(crate) fn health_checks(&self) -> impl Iterator<Item = HealthCheck> {
        let tenant = &self.tenant;
        tenant.pool.iter().filter_map(|origin| {
            let path = origin.health_path.as_deref()?;
            Some(HealthCheck {
                tenant: tenant.id.clone(),
                origin: origin.name.clone(),
                url: format!("{}{path}", origin.base),
            })
        })
    }

    /// How the origins are, as this isolate sees them: for the metrics.
    pub(crate) fn gauges(&self, now: UnixMillis) -> Vec<Gauge> {
        let mut gauges = Vec::new();
        for origin in self.tenant.pool.iter() {
            let labels = format!("{}\t{}", self.tenant.id, origin.name);
            let under_way = Milli::of(self.load.under_way(&origin.name).into());
            gauges.push((metric::ORIGIN_IN_FLIGHT, labels.clone(), under_way));
            if let Some(reported) = self.load.reported(&origin.name, now) {
                let load = Milli(reported);
                gauges.push((metric::ORIGIN_LOAD, labels.clone(), load));
            }
            let ejected = Milli::of(self.is_ejected(origin, now).into());
            gauges.push((metric::ORIGIN_EJECTED, labels, ejected));
        }
        gauges
    }

    pub(crate) fn pool_need(&self, command: String) -> Need {
        Need::Call {
            deadline_ms: CALL_DEADLINE_MS,
            class: Class::Pool,
            name: self.tenant.id.to_string(),
            command,
            key: POOL.to_owned(),
        }
    }

    /// What is under way at an origin, here and elsewhere.
    pub(crate) fn under_way(&self, origin: &Origin, now: UnixMillis) -> u32 {
        let elsewhere = self.cluster.under_way(&origin.name, now);
        self.load.under_way(&origin.name).saturating_add(elsewhere)
    }

    /// Returns the number of conversations at an origin: what is under way, and the estimate of open sockets.
    pub(crate) fn conversations(&self, origin: &Origin, now: UnixMillis) -> u32 {
        let elsewhere = self.cluster.held(&origin.name, now);
        let held = self.load.held(&origin.name, now).saturating_add(elsewhere);
        self.under_way(origin, now).saturating_add(held)
    }

    /// What an origin said of itself last, here or elsewhere.
    pub(crate) fn reported(&self, origin: &Origin, now: UnixMillis) -> Option<u64> {
        self.load
            .reported(&origin.name, now)
            .or_else(|| self.cluster.reported(&origin.name, now))
    }

    /// Whether an origin takes sessions, by its setting and the operator's word.
    pub(crate) fn state(&self, origin: &Origin) -> OriginState {
        match origin.state {
            OriginState::Active if self.cluster.is_drained(&origin.name) => OriginState::Drain,
            state => state,
        }
    }

    /// What is known of an origin.
    pub(crate) fn describe_origin(&self, origin: &Origin, now: UnixMillis) -> Map<String, Value> {
        let state = match self.state(origin) {
            OriginState::Active => "active",
            OriginState::Drain => "drain",
            OriginState::Down => "down",
        };
        object([
            ("name", json!(origin.name)),
            ("url", json!(origin.base)),
            ("state", json!(state)),
            ("weight", json!(origin.weight)),
            ("release", json!(origin.release)),
            ("capacity", json!(origin.capacity)),
            ("under_way", json!(self.under_way(origin, now))),
            ("reported_load", json!(self.reported(origin, now))),
            ("ejected", json!(self.is_ejected(origin, now))),
            ("takes_new_sessions", json!(self.takes_new(origin, now))),
        ])
    }
}
