//! Keeps the busiest sessions with their requests and opened WebSockets, in bounded memory.

use std::collections::VecDeque;

use serde_json::Value;

use super::series::{SEPARATOR, first};
use crate::encoding::json;
use crate::flat_map::FlatMap;

/// Number of periods that count.
const PERIODS: u64 = 12;

/// Maximum number of sessions that are shown.
const MAX_SHOWN: usize = 20;

/// Requests of a session, and how many of them opened a WebSocket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    pub requests: u64,
    pub sockets: u64,
}

impl Uses {
    fn add(&mut self, other: Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.sockets = self.sockets.saturating_add(other.sockets);
    }
}

/// Maximum number of sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of one tenant, so that a busy tenant does not displace the sessions of others.
    pub tenant: usize,
    pub all: usize,
}

/// Uses of one session by period, the oldest first; never empty.
type Periods = VecDeque<(u64, Uses)>;

/// Busiest sessions, by tenant and handle.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Busiest(FlatMap<String, Periods>);

impl Busiest {
    /// Adds uses of a session within a period. Beyond the limits the session is dropped that was used last in the
    /// oldest period, and of several the one with the fewest requests: one-time visitors do not displace busy sessions.
    pub(crate) fn add(&mut self, session: &str, period: u64, uses: Uses, limits: Limits) {
        let before = self.0.len();
        let periods = self.0.or_default(session.to_owned());
        while periods
            .front()
            .is_some_and(|(at, _)| at + PERIODS <= period)
        {
            periods.pop_front();
        }
        match periods.back_mut() {
            Some((last, own)) if *last >= period => own.add(uses),
            _ => periods.push_back((period, uses)),
        }
        if self.0.len() == before {
            return;
        }
        let tenant = first(session);
        let is_full = self.of(Some(tenant)).count() > limits.tenant;
        if is_full || self.0.len() > limits.all {
            let candidates = self.of(is_full.then_some(tenant));
            let least = candidates.min_by_key(|(_, periods)| rank(periods));
            if let Some(least) = least.map(|(session, _)| session.clone()) {
                self.0.retain(|session, _| *session != least);
            }
        }
    }

    /// Iterates over tenants and handles, and their uses.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, Uses)> {
        self.0.iter().map(|(session, all)| (session, sum(all, 0)))
    }

    /// Returns the sessions with the most requests, of one tenant or of all, as JSON. The first comes first.
    #[must_use]
    pub(crate) fn to_json(&self, tenant: Option<&str>, period: u64) -> Vec<Value> {
        let since = (period + 1).saturating_sub(PERIODS);
        let own = self.of(tenant);
        let own = own.map(|(session, periods)| (session.as_str(), sum(periods, since)));
        let mut left: Vec<(&str, Uses)> = own.filter(|(_, uses)| uses.requests > 0).collect();
        let mut shown = Vec::new();
        // Few are shown: a loop instead of a sort, whose code is larger.
        while shown.len() < MAX_SHOWN {
            let all = left.iter().enumerate();
            let Some((at, _)) = all.max_by_key(|(_, (_, uses))| uses.requests) else {
                break;
            };
            let (session, uses) = left.swap_remove(at);
            let (tenant, handle) = session.split_once(SEPARATOR).unwrap_or_default();
            shown.push(json!({
                "tenant": tenant,
                "handle": handle,
                "requests": uses.requests,
                "sockets": uses.sockets,
            }));
        }
        shown
    }

    /// Iterates over the sessions of one tenant or of all.
    fn of(&self, tenant: Option<&str>) -> impl Iterator<Item = (&String, &Periods)> {
        let all = self.0.iter();
        all.filter(move |(session, _)| tenant.is_none_or(|tenant| tenant == first(session)))
    }
}

/// Returns the period of the last use, and the number of requests.
fn rank(periods: &Periods) -> (u64, u64) {
    let last = periods.back().map_or(0, |(period, _)| *period);
    (last, sum(periods, 0).requests)
}

/// Sums the uses since a period.
fn sum(periods: &Periods, since: u64) -> Uses {
    let mut all = Uses::default();
    for (period, uses) in periods {
        if *period >= since {
            all.add(*uses);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { tenant: 3, all: 5 };

    fn uses(requests: u64) -> Uses {
        Uses {
            requests,
            sockets: 1,
        }
    }

    fn busiest(added: &[(&str, u64, u64)]) -> Busiest {
        let mut busiest = Busiest::default();
        for (session, period, requests) in added {
            busiest.add(session, *period, uses(*requests), LIMITS);
        }
        busiest
    }

    fn shown(busiest: &Busiest, tenant: Option<&str>, period: u64) -> Vec<(String, u64, u64)> {
        let shown = busiest.to_json(tenant, period).into_iter();
        let number = |one: &Value, member: &str| one[member].as_u64().unwrap();
        shown
            .map(|one| {
                (
                    one["handle"].as_str().unwrap().to_owned(),
                    number(&one, "requests"),
                    number(&one, "sockets"),
                )
            })
            .collect()
    }

    #[test]
    fn sessions_with_the_most_requests_come_first() {
        let busiest = busiest(&[
            ("a\tx", 1, 2),
            ("a\ty", 1, 9),
            ("b\tz", 1, 5),
            ("a\tx", 2, 4),
        ]);
        let of = |handle: &str, requests, sockets| (handle.to_owned(), requests, sockets);
        let all = [of("y", 9, 1), of("x", 6, 2), of("z", 5, 1)];
        assert_eq!(shown(&busiest, None, 2), all);
        assert_eq!(shown(&busiest, Some("b"), 2), [of("z", 5, 1)]);
    }

    #[test]
    fn uses_count_for_an_hour() {
        let busiest = busiest(&[("a\tx", 1, 2), ("a\tx", 3, 4)]);
        let requests = |period| shown(&busiest, None, period).first().map(|one| one.1);
        assert_eq!(requests(PERIODS), Some(6));
        assert_eq!(requests(PERIODS + 1), Some(4));
        assert_eq!(requests(PERIODS + 3), None);
    }

    #[test]
    fn one_time_visitors_displace_no_busy_session_and_a_tenant_none_of_another() {
        let mut busiest = busiest(&[("a\tbusy", 1, 9), ("b\tcalm", 1, 2)]);
        for visitor in 0..100 {
            busiest.add(&format!("a\t{visitor}"), 1, uses(1), LIMITS);
        }
        assert_eq!(busiest.of(Some("a")).count(), LIMITS.tenant);
        assert_eq!(shown(&busiest, Some("a"), 1)[0].0, "busy");
        assert_eq!(shown(&busiest, Some("b"), 1)[0].0, "calm");
        // Not used for long, it is dropped before newer ones.
        for visitor in 0..3 {
            busiest.add(&format!("a\tlater {visitor}"), 2, uses(1), LIMITS);
        }
        assert!(
            busiest
                .of(Some("a"))
                .all(|(session, _)| session != "a\tbusy")
        );
        for tenant in 0..100 {
            busiest.add(&format!("t{tenant}\tx"), 3, uses(1), LIMITS);
        }
        assert_eq!(busiest.of(None).count(), LIMITS.all);
    }

    #[test]
    fn each_session_keeps_a_bounded_number_of_periods() {
        let mut busiest = Busiest::default();
        for period in 0..1_000 {
            busiest.add("a\tx", period, uses(1), LIMITS);
        }
        let (_, periods) = busiest.of(None).next().unwrap();
        assert_eq!(periods.len() as u64, PERIODS);
    }
}
