//! Shares knowledge about origins with all other isolates, in the background. Requests never wait for it.

use super::parts::Balancer;
use serde_json::{Map, Value};

use crate::balancer::cluster_view::{ClusterView, LocalView};
use crate::balancer::health_check::HealthCheck;
use crate::balancer::path_prefix::PathPrefix;
use crate::balancer::pool::{Origin, OriginState};
use crate::balancer::service;
use crate::clock::UnixMillis;
use crate::effect::{Answers, CALL_DEADLINE_MS, Class, Found, Need};
use crate::encoding::json;
use crate::encoding::object;
use crate::telemetry::gauge::{Gauge, Milli};
use crate::telemetry::metric;
use crate::tenant::Consistency;

/// Key of the pool object's answer.
pub(crate) const POOL: &str = "pool";

impl Balancer {
    /// Reports this isolate's view to the pool object, or applies its answer. Returns the need, if any.
    pub(crate) fn sync_origins(&mut self, answers: &Answers, now: UnixMillis) -> Option<Need> {
        match answers.found(POOL) {
            None => Some(self.pool_need(POOL, self.report(now))),
            Some(Found::Bytes(answer)) => {
                self.learn(answer, now);
                None
            }
            Some(Found::Absent | Found::Unavailable) => None,
        }
    }

    /// Returns the command that reports this isolate's view.
    pub(super) fn report(&self, now: UnixMillis) -> String {
        let views: Vec<LocalView<'_>> = self
            .pools
            .origins()
            .map(|origin| LocalView {
                origin: &origin.name,
                under_way: self.load.under_way(&origin.name),
                held: self.load.held(&origin.name, now),
                reported: self.load.reported(&origin.name, now),
                ejected_until: self.health.ejected_until(&origin.name),
            })
            .collect();
        ClusterView::command(self.isolate, &views, self.tenant.lists.clone())
    }

    /// Returns the health checks of the origins that have a health path.
    pub(crate) fn health_checks(&self) -> impl Iterator<Item = HealthCheck> {
        let tenant = &self.tenant;
        self.pools.origins().filter_map(|origin| {
            let path = origin.health_path.as_deref()?;
            Some(HealthCheck {
                tenant: tenant.id.clone(),
                origin: origin.name.to_string(),
                url: service::own_url(&origin.base, path),
            })
        })
    }

    /// Returns load and state of the origins as this isolate sees them, for the metrics.
    pub(crate) fn gauges(&self, now: UnixMillis) -> Vec<Gauge> {
        let mut gauges = Vec::new();
        for origin in self.pools.origins() {
            let labels = format!("{}\t{}", self.tenant.id, origin.name);
            let held = self.load.held(&origin.name, now);
            if held > 0 {
                let labels = [&labels, metric::PASSED_THROUGH].join("\t");
                gauges.push((metric::ORIGIN_CONNECTIONS, labels, Milli::of(held.into())));
            }
            let under_way = Milli::of(self.load.under_way(&origin.name).into());
            gauges.push((metric::ORIGIN_IN_FLIGHT, labels.clone(), under_way));
            if let Some(reported) = self.load.reported(&origin.name, now) {
                let load = Milli(reported);
                gauges.push((metric::ORIGIN_LOAD, labels.clone(), load));
            }
            let ejected = Milli::of(self.is_ejected(origin, now).into());
            gauges.push((metric::ORIGIN_EJECTED, labels, ejected));
        }
        // The pool object reports the queue of all isolates.
        if self.tenant.overload.queue.is_some() && self.tenant.consistency == Consistency::Eventual
        {
            let waiting = Milli::of(self.waiting(now).into());
            gauges.push((metric::QUEUE_WAITING, self.tenant.id.to_string(), waiting));
        }
        gauges
    }

    /// Returns the need that sends a command to the pool object; its answer has this key.
    pub(crate) fn pool_need(&self, key: &str, command: String) -> Need {
        Need::Call {
            deadline_ms: CALL_DEADLINE_MS,
            class: Class::Pool,
            name: self.tenant.id.to_string(),
            command,
            key: key.to_owned(),
        }
    }

    /// Returns the number of requests under way at an origin, in this isolate and others.
    pub(crate) fn under_way(&self, origin: &Origin, now: UnixMillis) -> u32 {
        let elsewhere = self.cluster.under_way(&origin.name, now);
        self.load.under_way(&origin.name).saturating_add(elsewhere)
    }

    /// Returns the number of conversations at an origin: requests under way, and the estimate of open sockets.
    pub(crate) fn conversations(&self, origin: &Origin, now: UnixMillis) -> u32 {
        let elsewhere = self.cluster.held(&origin.name, now);
        let held = self.load.held(&origin.name, now).saturating_add(elsewhere);
        self.under_way(origin, now).saturating_add(held)
    }

    /// Returns the load that an origin last reported, to this isolate or another.
    pub(crate) fn reported(&self, origin: &Origin, now: UnixMillis) -> Option<u64> {
        self.load
            .reported(&origin.name, now)
            .or_else(|| self.cluster.reported(&origin.name, now))
    }

    /// Returns the state of an origin, by its setting and the operators' commands.
    pub(crate) fn state(&self, origin: &Origin) -> OriginState {
        match origin.state {
            OriginState::Active if self.cluster.is_drained(&origin.name) => OriginState::Drain,
            state => state,
        }
    }

    /// Describes an origin as JSON.
    pub(crate) fn describe_origin(&self, origin: &Origin, now: UnixMillis) -> Map<String, Value> {
        let state = match self.state(origin) {
            OriginState::Active => "active",
            OriginState::Drain => "drain",
            OriginState::Down => "down",
        };
        let paths: Vec<&str> = origin.paths.iter().map(PathPrefix::as_str).collect();
        object([
            ("name", json!(origin.name)),
            ("url", json!(origin.base)),
            ("paths", json!(paths)),
            ("state", json!(state)),
            ("weight", json!(origin.weight)),
            ("release", json!(origin.release)),
            ("capacity", json!(origin.capacity)),
            ("under_way", json!(self.under_way(origin, now))),
            ("followed", json!(self.tenant.follows_connections())),
            ("reported_load", json!(self.reported(origin, now))),
            ("ejected", json!(self.is_ejected(origin, now))),
            ("takes_new_sessions", json!(self.takes_new(origin, now))),
        ])
    }
}
