//! Decides which forwarding decisions may be cached, for which requests, and for how long.
//!
//! A decision follows from the request, from what this isolate knows, and from the time: lifetimes are limited and
//! told in seconds. So until the second is over or something is learned, a request that is the same in
//! all that is looked at would be decided alike, and is not decided again; what counts in less than a second
//! either ends it earlier or keeps it from standing. The rule is made here; the edge compares
//! (`worker/js/decision_cache/`). A trace is drawn for each all the same.

use super::authenticate::Visitor;
use super::parts::{Balancer, Sessions};
use super::select_origin::SelectedOrigin;
use super::{Gateway, RequestContext};
use crate::balancer::pool::Origin;
use crate::clock::UnixMillis;
use crate::http::path::PathClass;
use crate::http::request::Request;
use crate::policy::PROPAGATION;
use crate::response::problem::Problem;
use crate::telemetry::labels::Lookup;

/// So many headers at most, and bytes of them and of the URL: a decision is kept with its request, and with those of
/// its headers that may be longer in another one it is still within what is allowed.
const MAX_HEADERS: usize = 32;
const MAX_BYTES: usize = 8 * 1024;

/// The client's headers that are handed on or dropped and never looked at, whatever they say: a request that
/// differs in nothing else is decided alike. Sorted.
pub(crate) const IGNORED_HEADERS: [&str; 23] = [
    "accept-encoding",
    "cache-control",
    "cdn-loop",
    "cf-ew-via",
    "cf-ray",
    "cf-visitor",
    "dnt",
    "if-modified-since",
    "if-none-match",
    "pragma",
    "priority",
    "range",
    "referer",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-gpc",
    "upgrade-insecure-requests",
    "x-request-id",
    "x-requested-with",
];

/// Those by which only the words of an answer of our own are chosen: whether it is a page, and its language.
pub(crate) const NEGOTIATION_HEADERS: [&str; 3] = ["accept", "accept-language", "sec-fetch-mode"];

/// How a decision to forward may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CachePolicy {
    /// Before this.
    pub until: UnixMillis,
    /// For whatever of the origin's is asked for; otherwise for the very same URL.
    pub any_target: bool,
}

impl Gateway {
    /// How the decision about to be made may be repeated; not at all, if it is not like most: if something
    /// is to be done about its answer, or it was not made from memory alone.
    pub(crate) fn repeat(
        &mut self,
        visitor: &Visitor,
        selected: &SelectedOrigin,
        context: &RequestContext<'_>,
    ) -> Option<CachePolicy> {
        let RequestContext { request, now, .. } = *context;
        let is_settled = !(visitor.set_cookie
            || visitor.is_new
            || visitor.in_grace
            || visitor.degraded
            || visitor.reread
            || visitor.refresh
            || visitor.refeed
            || selected.pin
            || selected.takeover);
        let is_from_memory = matches!(self.recorder.labels.lookup, Lookup::Hit | Lookup::Guest)
            && context.answers.failures().is_empty();
        // Cached decisions are not counted.
        let is_counted = self.tenant.requests_per_second.is_some();
        if is_counted
            || !(is_settled
                && is_from_memory
                && is_plain(request)
                && self.balancer.all_healthy(now))
        {
            return None;
        }
        let second_over = UnixMillis((now.seconds().0 + 1) * 1000);
        let until = match self.recorder.labels.lookup {
            // Nobody can revoke what is not recorded.
            Lookup::Guest => second_over,
            _ => {
                let Sessions {
                    cache, revocations, ..
                } = &mut self.sessions;
                let hit = cache.get(visitor.token.handle, now);
                let age_ms = hit.map_or(0, |hit| hit.age_ms);
                let copy_ends = (now.0 + PROPAGATION.0 * 1000).saturating_sub(age_ms);
                let list_ends = revocations.stale_at(self.tenant.revocations_fresh_ms());
                second_over.min(list_ends).min(UnixMillis(copy_ends))
            }
        };
        let tenant = &self.tenant;
        Some(CachePolicy {
            until,
            any_target: tenant.login_exceptions.is_empty()
                && tenant.assets.is_empty()
                && tenant.public_paths.is_empty()
                && tenant.vault.is_empty()
                && visitor.session.record.vault.0.is_empty()
                && tenant.proof.is_none(),
        })
    }

    /// Until when a request for the same URL that differs only in what is [`IGNORED_HEADERS`] would be refused alike. A flood
    /// is: it is worth the least, and counting more of it changes nothing. None of our own paths is anybody's to repeat.
    pub(crate) fn refusal_cacheable_until(
        &self,
        problem: &Problem,
        context: &RequestContext<'_>,
    ) -> Option<UnixMillis> {
        let RequestContext { request, now, .. } = *context;
        if !matches!(problem, Problem::TooManyForgeries(_)) || !is_plain(request) {
            return None;
        }
        if self.classify(&request.location) != PathClass::Origin {
            return None;
        }
        self.limits
            .forgeries
            .retry_after_until(request.client_network(), now)
    }
}

impl Balancer {
    /// Whether no origin is passed over: whose turn it is again changes between two seconds. Usually nothing ever
    /// happened to any, and none is looked at.
    fn all_healthy(&self, now: UnixMillis) -> bool {
        let passed_over = |origin: &Origin| {
            self.has_failed(origin, now) || self.health.is_lost(&origin.name, now)
        };
        let is_healthy = self.health.is_clear() && self.cluster.is_clear(now);
        is_healthy || !self.tenant.pool.iter().any(passed_over)
    }
}

/// Whether a request is as most are, and small enough to be remembered.
fn is_plain(request: &Request<'_>) -> bool {
    let sizes = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len());
    matches!(request.method, "GET" | "HEAD")
        && !request.is_websocket()
        && request.headers.len() <= MAX_HEADERS
        && request.location.target.len() + sizes.sum::<usize>() <= MAX_BYTES
        && request.header("traceparent").is_none()
        && !request.location.query().contains("EIO=")
}
