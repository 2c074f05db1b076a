//! Decides which origins this isolate ejects, and how slowly they return.
//!
//! A failed request only triggers a probe, and the probe's result decides ([`super::probe`]). So no client's requests
//! can eject an origin. An origin that a probe cannot reach is ejected at once. One that returns gateway errors is
//! ejected after [`EJECT_AFTER_FAILURES`] in a row, if a probe gets one too. Each ejection lasts longer than the last.
//! An unreachable origin is probed once a second while requests need it, and returns with its first response. A
//! returning origin starts slowly: it gets fewer new sessions for a while.

use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;

use super::probe::{Probes, Verdict};

/// Duration of the first ejection, in milliseconds; each further one lasts twice as long.
const EJECTED_MS: u64 = 5_000;
/// Maximum duration of an ejection, in milliseconds.
const MAX_EJECTED_MS: u64 = 300_000;
/// Number of gateway errors in a row that eject, if a probe confirms them.
const EJECT_AFTER_FAILURES: u32 = 5;
/// Time for which a returned origin gets fewer new sessions, in milliseconds.
const SLOW_START_MS: u64 = 30_000;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Gateway errors in a row.
    faults: u32,
    /// Time of the first of them.
    faulty_since: UnixMillis,
    /// Client that got the first of them, if known.
    first_client: Option<u64>,
    /// Whether several clients got them.
    clients_differ: bool,
    /// Reason for the last probe.
    reason: &'static str,
    probes: Probes,
    /// Ejections so far; a long quiet time resets the count.
    ejections: u32,
    /// End of the ejection.
    until: UnixMillis,
    /// Whether it is ejected because it is unreachable.
    is_lost: bool,
}

impl State {
    /// Ejects the origin, unless it is ejected already. Returns whether it did.
    fn eject(&mut self, now: UnixMillis) -> bool {
        if now < self.until {
            return false;
        }
        if now.millis_since(self.until) > MAX_EJECTED_MS {
            self.ejections = 0;
        }
        let doubled = EJECTED_MS << self.ejections.min(6);
        self.until = UnixMillis(now.0 + doubled.min(MAX_EJECTED_MS));
        self.ejections += 1;
        self.faults = 0;
        self.is_lost = false;
        true
    }

    /// Ejects the origin if requests failed often enough and a probe confirms it. Returns whether it did.
    fn eject_if_confirmed(&mut self, now: UnixMillis) -> bool {
        let is_confirmed = match self.probes.found_since(self.faulty_since) {
            Some(Verdict::Faulty | Verdict::Dead) => true,
            // A server that handles one request at a time is silent while it serves one client's.
            Some(Verdict::Silent) => self.clients_differ,
            Some(Verdict::Alive) | None => false,
        };
        self.faults >= EJECT_AFTER_FAILURES && is_confirmed && self.eject(now)
    }

    fn record_success(&mut self, now: UnixMillis) {
        self.faults = 0;
        if self.is_lost {
            self.is_lost = false;
            self.until = self.until.min(now);
        }
    }
}

/// Health of the origins as one isolate knows it, by name. Holds at most one entry per origin.
#[derive(Debug, Default)]
pub(crate) struct Health(FlatMap<String, State>);

impl Health {
    /// Records that a request failed, which proves no fault of the origin. Returns whether to send a probe now.
    pub(crate) fn suspect(&mut self, origin: &str, reason: &'static str, now: UnixMillis) -> bool {
        let state = self.0.or_default(origin.to_owned());
        state.reason = reason;
        state.probes.begin(now)
    }

    /// Records the result of the probe that began at `begun`. Returns the reason of an ejection, if it causes one.
    pub(crate) fn probed(
        &mut self,
        origin: &str,
        begun: UnixMillis,
        verdict: Verdict,
        now: UnixMillis,
    ) -> Option<&'static str> {
        let state = self.0.get_mut(origin)?;
        if !state.probes.end(begun, verdict) {
            return None;
        }
        let is_ejected = match verdict {
            Verdict::Alive => {
                state.record_success(now);
                false
            }
            Verdict::Dead => {
                let is_ejected = state.eject(now);
                state.is_lost = true;
                is_ejected
            }
            Verdict::Faulty | Verdict::Silent => state.eject_if_confirmed(now),
        };
        is_ejected.then_some(state.reason)
    }

    /// Returns the result of the last probe, if that began at `since` or later.
    #[must_use]
    pub(crate) fn found_since(&self, origin: &str, since: UnixMillis) -> Option<Verdict> {
        self.0.get(origin)?.probes.found_since(since)
    }

    /// Returns whether a probe is in progress.
    #[must_use]
    pub(crate) fn is_probed(&self, origin: &str, now: UnixMillis) -> bool {
        self.0
            .get(origin)
            .is_some_and(|state| state.probes.is_under_way(now))
    }

    /// Records that the platform could not connect to the origin, and that a probe got no response either. Returns
    /// whether this ejected the origin.
    pub(crate) fn mark_unreachable(&mut self, origin: &str, now: UnixMillis) -> bool {
        let state = self.0.or_default(origin.to_owned());
        let is_ejected = state.eject(now);
        state.is_lost = true;
        is_ejected
    }

    /// Records a gateway error or timeout, and the client that got it, if known. Returns whether this ejected the
    /// origin.
    pub(crate) fn record_failure(
        &mut self,
        origin: &str,
        client: Option<u64>,
        now: UnixMillis,
    ) -> bool {
        let state = self.0.or_default(origin.to_owned());
        if state.faults == 0 {
            state.faulty_since = now;
            state.first_client = client;
            state.clients_differ = false;
        }
        state.faults = state.faults.saturating_add(1);
        state.first_client = state.first_client.or(client);
        state.clients_differ |= client.is_some() && client != state.first_client;
        state.eject_if_confirmed(now)
    }

    /// Returns the time of the first of the current failures in a row; `None` after a success.
    #[must_use]
    pub(crate) fn faulty_since(&self, origin: &str) -> Option<UnixMillis> {
        let state = self.0.get(origin)?;
        (state.faults > 0).then_some(state.faulty_since)
    }

    /// Records a response of the origin.
    pub(crate) fn record_success(&mut self, origin: &str, now: UnixMillis) {
        if let Some(state) = self.0.get_mut(origin) {
            state.record_success(now);
        }
    }

    /// Returns whether the origin is ejected because it is unreachable.
    #[must_use]
    pub(crate) fn is_lost(&self, origin: &str, now: UnixMillis) -> bool {
        let lost = |state: &State| state.is_lost && now < state.until;
        !self.0.is_empty() && self.0.get(origin).is_some_and(lost)
    }

    /// Returns whether the origin is ejected now.
    #[must_use]
    pub(crate) fn is_ejected(&self, origin: &str, now: UnixMillis) -> bool {
        !self.0.is_empty() && self.0.get(origin).is_some_and(|state| now < state.until)
    }

    /// Returns whether no failure was ever recorded.
    #[must_use]
    pub(crate) fn is_clear(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the end of the origin's ejection; a time in the past if it is not ejected.
    #[must_use]
    pub(crate) fn ejected_until(&self, origin: &str) -> UnixMillis {
        self.0
            .get(origin)
            .map_or(UnixMillis(0), |state| state.until)
    }

    /// Returns the origin's share of new sessions, in percent: 10 just after an ejection, rising to 100.
    #[must_use]
    pub(crate) fn share(&self, origin: &str, now: UnixMillis) -> u64 {
        match self.0.get(origin) {
            Some(state) if state.ejections > 0 => {
                let back_for = now.millis_since(state.until).min(SLOW_START_MS);
                10 + 90 * back_for / SLOW_START_MS
            }
            _ => 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(1_000_000_000 + seconds * 1_000)
    }

    /// Sends a probe now, with this result. Returns whether it ejects the origin.
    fn probe(health: &mut Health, origin: &str, verdict: Verdict, now: UnixMillis) -> bool {
        assert!(health.suspect(origin, "lost", now));
        health.probed(origin, now, verdict, now).is_some()
    }

    #[test]
    fn ejection_time_grows_with_each_ejection() {
        let mut health = Health::default();
        let mut now = at(0);
        let mut away = Vec::new();
        for _ in 0..8 {
            assert!(health.mark_unreachable("a", now));
            assert!(!health.mark_unreachable("a", now), "it is away already");
            let begun = now;
            while health.is_ejected("a", now) {
                now.0 += 1_000;
            }
            away.push(now.millis_since(begun) / 1_000);
        }
        assert_eq!(away, [5, 10, 20, 40, 80, 160, 300, 300]);
        now.0 += 301_000;
        health.mark_unreachable("a", now);
        assert!(
            !health.is_ejected("a", UnixMillis(now.0 + 5_000)),
            "forgiven"
        );
    }

    #[test]
    fn failed_requests_do_not_eject_while_probes_succeed() {
        let mut health = Health::default();
        let mut probes = 0;
        for tenth in 0..1_000 {
            let now = UnixMillis(at(0).0 + tenth * 100);
            if health.suspect("a", "lost", now) {
                probes += 1;
                assert_eq!(health.probed("a", now, Verdict::Alive, now), None);
            }
            assert!(!health.record_failure("a", Some(tenth), now));
            assert!(!health.is_ejected("a", now) && !health.is_lost("a", now));
        }
        assert_eq!(probes, 100);
    }

    #[test]
    fn consecutive_gateway_errors_eject_if_a_probe_fails_too() {
        let mut health = Health::default();
        probe(&mut health, "a", Verdict::Faulty, at(0));
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(!health.record_failure("a", None, at(0)));
            }
            health.record_success("a", at(0));
        }
        for _ in 0..4 {
            health.record_failure("a", None, at(0));
        }
        assert!(health.record_failure("a", None, at(0)));
        assert!(health.is_ejected("a", at(4)) && !health.is_lost("a", at(4)));
        for _ in 0..100 {
            assert!(
                !health.record_failure("b", None, at(0)),
                "no probe was sent"
            );
        }
        assert!(probe(&mut health, "b", Verdict::Faulty, at(0)));
        assert!(health.is_ejected("b", at(0)));
    }

    #[test]
    fn timeouts_of_several_clients_eject_an_origin() {
        for (clients, expected) in [([7, 7], false), ([7, 8], true)] {
            let mut health = Health::default();
            probe(&mut health, "a", Verdict::Silent, at(0));
            for turn in 0..10 {
                health.record_failure("a", Some(clients[turn % 2]), at(0));
            }
            assert_eq!(health.is_ejected("a", at(0)), expected);
        }
    }

    #[test]
    fn unreachable_origin_returns_with_its_first_response() {
        for is_probe in [false, true] {
            let mut health = Health::default();
            assert!(probe(&mut health, "a", Verdict::Dead, at(0)));
            assert!(health.is_lost("a", at(4)));
            for silent in [Verdict::Faulty, Verdict::Silent] {
                let mut health = Health::default();
                probe(&mut health, "a", Verdict::Dead, at(0));
                probe(&mut health, "a", silent, at(3));
                assert!(health.is_lost("a", at(4)), "{silent:?} opens no door");
            }
            if is_probe {
                probe(&mut health, "a", Verdict::Alive, at(4));
            } else {
                health.record_success("a", at(4));
            }
            assert!(!health.is_lost("a", at(4)) && !health.is_ejected("a", at(4)));
            assert_eq!(health.share("a", at(4)), 10, "it starts slowly");
        }
    }

    #[test]
    fn returning_origin_gets_slow_start() {
        let mut health = Health::default();
        assert_eq!(health.share("a", at(0)), 100);
        health.mark_unreachable("a", at(0));
        assert_eq!(health.share("a", at(5)), 10);
        assert_eq!(health.share("a", at(20)), 55);
        assert_eq!(health.share("a", at(60)), 100);
    }
}
