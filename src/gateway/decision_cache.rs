//! Decides which forwarding decisions may be cached, for which requests, and for how long.
//!
//! A decision follows from the request, the isolate's state and the time. Lifetimes are limits in whole seconds. So
//! until the second ends or the state changes, a request equal in all examined parts gets the cached decision.
//! Conditions that change within a second end the caching earlier, or prevent it. This module sets the rule, and the
//! edge compares requests (`worker/js/decision_cache/`). Each request still gets a trace of its own.

use super::authenticate::Visitor;
use super::parts::{Balancer, Sessions};
use super::select_origin::SelectedOrigin;
use super::{Gateway, RequestContext};
use crate::balancer::pool::Origin;
use crate::clock::UnixMillis;
use crate::http::header_names::CommonHeader;
use crate::http::path::PathClass;
use crate::http::request::Request;
use crate::policy::PROPAGATION;
use crate::response::problem::Problem;
use crate::telemetry::labels::Lookup;

/// Maximum number of headers, and then of bytes in headers and URL. The cache keeps the request with its decision. The
/// limits leave room for ignored headers that are longer in an equal request.
const MAX_HEADERS: usize = 32;
const MAX_BYTES: usize = 8 * 1024;

/// Client headers that the gateway forwards or drops without reading them. Requests that differ only in these get the
/// same decision. Sorted.
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

/// Headers that only select the form of Vestibule's own responses: whether it is a page, and its language.
pub(crate) const NEGOTIATION_HEADERS: [&str; 3] = ["accept", "accept-language", "sec-fetch-mode"];

/// Conditions for reusing a forwarding decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CachePolicy {
    /// Time before which the decision may be reused.
    pub until: UnixMillis,
    /// Whether it holds for any URL of the origin, not only for the same URL.
    pub any_target: bool,
}

impl Gateway {
    /// Returns the cache policy of the decision being made. `None` for unusual requests, if the response needs work, or
    /// if the decision was not made from memory alone.
    pub(crate) fn cache_policy(
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
        let tenant = &self.tenant;
        let is_counted = tenant.requests_per_second.is_some() || tenant.max_in_flight.is_some();
        // Nor do their keys tell a frame's request from others.
        let may_be_framed = !tenant.embed_sites.is_empty();
        if is_counted
            || may_be_framed
            || !(is_settled
                && is_from_memory
                && is_plain(request)
                && self.balancer.all_healthy(now))
        {
            return None;
        }
        let second_over = UnixMillis((now.seconds().0 + 1) * 1000);
        let until = match self.recorder.labels.lookup {
            // A session without a record cannot be revoked.
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
                && tenant.pools.is_one()
                && tenant.assets.is_empty()
                && tenant.patches.is_empty()
                && tenant.public_paths.is_empty()
                && tenant.routes.is_empty()
                && tenant.vault.is_empty()
                && visitor.session.record.vault.0.is_empty()
                && tenant.proof.is_none(),
        })
    }

    /// Returns until when a refusal holds for the same URL, whatever the [`IGNORED_HEADERS`] say. Only a flood's
    /// refusal is cached: it deserves the least work, and its count need not grow. Reserved paths never qualify.
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
    /// Returns whether no origin is skipped, because a skipped one may return within the second. Usually no origin ever
    /// failed, and none is examined.
    fn all_healthy(&self, now: UnixMillis) -> bool {
        let is_skipped = |origin: &Origin| {
            self.has_failed(origin, now) || self.health.is_lost(&origin.name, now)
        };
        let is_healthy = self.health.is_clear() && self.cluster.is_clear(now);
        is_healthy || !self.pools.origins().any(is_skipped)
    }
}

/// Returns whether a request is ordinary, and small enough to be cached.
fn is_plain(request: &Request<'_>) -> bool {
    matches!(request.method, "GET" | "HEAD")
        && !request.is_websocket()
        && request.headers.len() <= MAX_HEADERS
        && request.location.target.len() + request.header_bytes <= MAX_BYTES
        && request.common(CommonHeader::TraceParent).is_none()
        && !request.location.query().contains("EIO=")
}
