//! Which origins this isolate passes over, and how warily those that have come back are used.
//!
//! Passive health checking after Envoy's outlier detection: an origin that cannot be reached is
//! ejected at once, one that answers with gateway errors after some in a row; for longer each time.
//! What cannot be reached is knocked at once a second meanwhile, and is back with its first answer.
//! What comes back starts slowly: it gets fewer of the new sessions for a while.

use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;

/// How long an origin is ejected the first time, in milliseconds; twice as long each time after.
const EJECTED_MS: u64 = 5_000;
/// The longest it is ejected.
const LONGEST_EJECTED_MS: u64 = 300_000;
/// So many gateway errors in a row eject.
const FAULTS_THAT_EJECT: u32 = 5;
/// How often one that cannot be reached is knocked at.
const KNOCK_EVERY_MS: u64 = 1_000;
/// How long an origin that came back gets fewer new sessions.
const SLOW_START_MS: u64 = 30_000;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Gateway errors in a row.
    faults: u32,
    /// Ejections so far, without a long quiet time in between.
    ejections: u32,
    /// Passed over until then.
    until: UnixMillis,
    /// It is passed over because it cannot be reached.
    is_lost: bool,
    /// When it was last sent something while it was passed over.
    knocked: UnixMillis,
}

/// The origins' health as one isolate knows it, by name. Holds at most one entry per origin.
#[derive(Debug, Default)]
pub struct Health(FlatMap<String, State>);

impl Health {
    /// The origin could not be reached. Whether it was ejected by that.
    pub fn lose(&mut self, origin: &str, now: UnixMillis) -> bool {
        let ejected = self.eject(origin, now);
        if let Some(state) = self.0.get_mut(origin) {
            state.is_lost = true;
            state.knocked = now;
        }
        ejected
    }

    fn eject(&mut self, origin: &str, now: UnixMillis) -> bool {
        let state = self.0.or_default(origin.to_owned());
        if now < state.until {
            return false;
        }
        if now.millis_since(state.until) > LONGEST_EJECTED_MS {
            state.ejections = 0;
        }
        let doubled = EJECTED_MS << state.ejections.min(6);
        state.until = UnixMillis(now.0 + doubled.min(LONGEST_EJECTED_MS));
        state.ejections += 1;
        state.faults = 0;
        state.is_lost = false;
        true
    }

    /// The origin answered with a gateway error or not in time. Whether it was ejected by that.
    pub fn fault(&mut self, origin: &str, now: UnixMillis) -> bool {
        let state = self.0.or_default(origin.to_owned());
        state.faults += 1;
        state.faults >= FAULTS_THAT_EJECT && self.eject(origin, now)
    }

    /// The origin answered.
    pub fn answered(&mut self, origin: &str, now: UnixMillis) {
        if let Some(state) = self.0.get_mut(origin) {
            state.faults = 0;
            if state.is_lost {
                state.is_lost = false;
                state.until = state.until.min(now);
            }
        }
    }

    /// Whether the origin is passed over because it cannot be reached.
    #[must_use]
    pub fn is_lost(&self, origin: &str, now: UnixMillis) -> bool {
        let lost = |state: &State| state.is_lost && now < state.until;
        !self.0.is_empty() && self.0.get(origin).is_some_and(lost)
    }

    /// Whether a request may be sent to an origin that cannot be reached, to find out whether it is
    /// back. Says so once in a while.
    pub fn may_knock(&mut self, origin: &str, now: UnixMillis) -> bool {
        let due = self.is_knock_due(origin, now);
        if due && let Some(state) = self.0.get_mut(origin) {
            state.knocked = now;
        }
        due
    }

    /// Whether [`Health::may_knock`] would say so now.
    #[must_use]
    pub fn is_knock_due(&self, origin: &str, now: UnixMillis) -> bool {
        let state = self.0.get(origin);
        state.is_none_or(|state| now.millis_since(state.knocked) >= KNOCK_EVERY_MS)
    }

    /// Whether the origin is passed over now.
    #[must_use]
    pub fn is_ejected(&self, origin: &str, now: UnixMillis) -> bool {
        !self.0.is_empty() && self.0.get(origin).is_some_and(|state| now < state.until)
    }

    /// Whether nothing ever happened to any origin.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.0.is_empty()
    }

    /// Until when the origin is passed over; long ago if it is not.
    #[must_use]
    pub fn ejected_until(&self, origin: &str) -> UnixMillis {
        self.0
            .get(origin)
            .map_or(UnixMillis(0), |state| state.until)
    }

    /// Its share of new sessions in parts of a hundred: 10 when it has just come back, 100 when it
    /// never was away or has been back for long.
    #[must_use]
    pub fn share(&self, origin: &str, now: UnixMillis) -> u64 {
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

    #[test]
    fn an_origin_that_keeps_failing_is_passed_over_for_longer_each_time() {
        let mut health = Health::default();
        let mut now = at(0);
        let mut away = Vec::new();
        for _ in 0..8 {
            assert!(health.eject("a", now));
            assert!(!health.eject("a", now), "it is away already");
            let begun = now;
            while health.is_ejected("a", now) {
                now.0 += 1_000;
            }
            away.push(now.millis_since(begun) / 1_000);
        }
        assert_eq!(away, [5, 10, 20, 40, 80, 160, 300, 300]);
        now.0 += 301_000;
        health.eject("a", now);
        assert!(
            !health.is_ejected("a", UnixMillis(now.0 + 5_000)),
            "forgiven"
        );
    }

    #[test]
    fn gateway_errors_eject_only_in_a_row() {
        let mut health = Health::default();
        for _ in 0..3 {
            for _ in 0..4 {
                assert!(!health.fault("a", at(0)));
            }
            health.answered("a", at(0));
        }
        for _ in 0..4 {
            health.fault("a", at(0));
        }
        assert!(health.fault("a", at(0)));
        assert!(health.is_ejected("a", at(4)));
    }

    #[test]
    fn what_cannot_be_reached_is_knocked_at_once_a_second_and_back_with_its_first_answer() {
        let mut health = Health::default();
        health.lose("a", at(0));
        let knocks =
            (0..40).filter(|tenth| health.may_knock("a", UnixMillis(at(0).0 + tenth * 100)));
        assert_eq!(knocks.count(), 3);
        assert!(health.is_lost("a", at(4)));
        health.answered("a", at(4));
        assert!(!health.is_lost("a", at(4)) && !health.is_ejected("a", at(4)));
        assert_eq!(health.share("a", at(4)), 10, "it starts slowly");
        // What answers with errors is not back for having answered.
        for _ in 0..5 {
            health.fault("b", at(0));
        }
        assert!(health.is_ejected("b", at(0)) && !health.is_lost("b", at(0)));
    }

    #[test]
    fn what_comes_back_starts_slowly() {
        let mut health = Health::default();
        assert_eq!(health.share("a", at(0)), 100);
        health.eject("a", at(0));
        assert_eq!(health.share("a", at(5)), 10);
        assert_eq!(health.share("a", at(20)), 55);
        assert_eq!(health.share("a", at(60)), 100);
    }
}
