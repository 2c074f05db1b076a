//! Uses the lists of origins that the pool object reads: asks for them in time, and applies changes.
//!
//! Isolates that decide on sessions must agree on the servers. So a request waits for the object if this isolate's view
//! is older than the time that a new server waits for its first session.

use serde_json::Value;

use super::origin_sync::POOL;
use super::parts::{self, Balancer};
use super::{Interrupt, RequestContext};
use crate::balancer::cluster_view::EVERY_MS;
use crate::balancer::discovery;
use crate::balancer::origin_lists::{LEAD_SECONDS, ListView, Phase, ServerView};
use crate::balancer::pool::Origin;
use crate::clock::UnixMillis;
use crate::effect::{Class, Found, Need};
use crate::encoding::json;
use crate::response::problem::Problem;

/// Key of the pool object's answer that a request waits for.
const LISTS: &str = "lists";

/// Deadline of that call, in milliseconds: the object may have to read a list first.
const DEADLINE_MS: u32 = 6_000;

impl Balancer {
    /// Waits for the pool object if this isolate's view of the lists is too old, or if no server is known. If the object does not answer, the last view stays in use.
    pub(super) fn await_lists(&mut self, context: &RequestContext<'_>) -> Result<(), Interrupt> {
        let RequestContext { answers, now, .. } = *context;
        match answers.found(LISTS) {
            Some(Found::Bytes(answer)) => {
                self.lists_asked = now;
                self.learn(answer, now);
            }
            Some(Found::Absent | Found::Unavailable) => self.lists_asked = now,
            None => {
                // The background exchange keeps the view of an isolate in use younger than this.
                let age_ms = self
                    .cluster
                    .age_ms(now)
                    .min(now.millis_since(self.lists_asked));
                if age_ms >= EVERY_MS
                    && answers.found(POOL).is_none()
                    && (self.cluster.age_ms(now) >= LEAD_SECONDS * 1_000 || self.lacks_servers())
                {
                    return Err(Interrupt::Pending(vec![Need::Call {
                        deadline_ms: DEADLINE_MS,
                        class: Class::Pool,
                        name: self.tenant.id.to_string(),
                        command: self.report(now),
                        key: LISTS.to_owned(),
                    }]));
                }
            }
        }
        Ok(())
    }

    /// Refuses a request for whose path no server is known.
    pub(super) fn require_servers(&self, path: &str) -> Result<(), Interrupt> {
        let pool = self.pools.at(path).unwrap_or(&self.pools.default);
        match pool.iter().next() {
            Some(_) => Ok(()),
            None => Err(Problem::ServersUnknown.into()),
        }
    }

    /// Updates the view from an answer of the pool object. Returns whether it was valid.
    pub(crate) fn learn(&mut self, answer: &[u8], now: UnixMillis) -> bool {
        let is_valid = self.cluster.learn(answer, now);
        self.apply_lists();
        is_valid
    }

    /// Replaces the servers of the lists if the view of them changed.
    pub(super) fn apply_lists(&mut self) {
        if self.cluster.take_lists_changed() && !self.tenant.lists.is_null() {
            self.pools = parts::pools(&self.tenant, self.cluster.lists());
        }
    }

    /// Returns whether no server for new sessions is known. No request is forwarded then, so nothing runs in the
    /// background either.
    fn lacks_servers(&self) -> bool {
        self.pools.default.iter().next().is_none()
    }

    /// Describes the lists as JSON, for operators: never their URLs, which may hold a secret.
    pub(crate) fn describe_lists(&self) -> Vec<Value> {
        let is_list = |origin: &&Origin| discovery::is_list(&origin.base);
        let describe = |origin: &Origin| {
            let list = ListView::of(self.cluster.lists(), &origin.base);
            let is_listed = |server: &&ServerView<'_>| server.phase == Phase::Listed;
            let servers = list.map_or(0, |list| list.servers().iter().filter(is_listed).count());
            let read = list
                .map(|list| list.read().0 / 1_000)
                .filter(|read| *read > 0);
            let error = list.map(ListView::error).filter(|error| !error.is_empty());
            json!({ "name": origin.name, "servers": servers, "read": read, "error": error })
        };
        let origins = self.tenant.pools.origins();
        origins.filter(is_list).map(describe).collect()
    }
}
