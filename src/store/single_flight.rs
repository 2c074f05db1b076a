//! Decides which of several concurrent callers makes a shared call (single flight, as Go's
//! `golang.org/x/sync/singleflight`).
//!
//! The caller that makes the call may be cancelled, and the call with it. So a caller that has waited for another's
//! call for [`PATIENCE_MS`] makes its own, and the others wait for that one.

use std::collections::HashMap;

use crate::clock::UnixMillis;
use crate::rule::{Rule, holds};

/// Maximum time that a caller waits for another's call, in milliseconds.
pub(crate) const PATIENCE_MS: u64 = 300;

/// Maximum number of calls in flight that are tracked.
const MAX_FLIGHTS: usize = 10_000;

/// Time after which a call without an outcome is forgotten, in milliseconds: its caller is gone.
const FORGOTTEN_AFTER_MS: u64 = 30_000;

/// Minimum interval between removals of forgotten calls, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 1_000;

/// Id of one call in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlightId(u64);

/// Calls in flight of one isolate. `S` is shared between callers and delivers the result.
#[derive(Debug)]
pub(crate) struct SingleFlight<S> {
    flights: HashMap<String, Flight<S>>,
    max_flights: usize,
    last: u64,
    swept_at: UnixMillis,
}

#[derive(Debug)]
struct Flight<S> {
    id: FlightId,
    asked: UnixMillis,
    shared: S,
}

/// Role of a caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role<S> {
    /// Make the call, then call [`SingleFlight::finish`] with the outcome in `shared`, good or bad.
    Lead {
        /// Id of the call.
        flight: FlightId,
        /// Shared state of the call.
        shared: S,
    },
    /// Wait for another's call for [`PATIENCE_MS`]; without a result, [`SingleFlight::join`] again.
    Follow {
        /// Id of the call.
        flight: FlightId,
        /// Time when the call began, which is the age of its result.
        asked: UnixMillis,
        /// Shared state of the call.
        shared: S,
    },
}

impl<S> Default for SingleFlight<S> {
    fn default() -> Self {
        Self {
            flights: HashMap::new(),
            max_flights: MAX_FLIGHTS,
            last: 0,
            swept_at: UnixMillis::default(),
        }
    }
}

impl<S: Clone> SingleFlight<S> {
    /// Decides whether the caller leads or follows. `in_vain` is the flight that it followed without a result; `share`
    /// creates the shared state if it leads.
    pub(crate) fn join(
        &mut self,
        question: &str,
        in_vain: Option<FlightId>,
        now: UnixMillis,
        share: impl FnOnce(FlightId) -> S,
    ) -> Role<S> {
        let in_vain = in_vain.filter(|_| holds(Rule::FlightPatience));
        let current = self.flights.get(question);
        match current.filter(|_| holds(Rule::SingleFlight)) {
            Some(other) if in_vain != Some(other.id) => Role::Follow {
                flight: other.id,
                asked: other.asked,
                shared: other.shared.clone(),
            },
            _ => {
                self.last += 1;
                let id = FlightId(self.last);
                let shared = share(id);
                if self.has_room(question, now) {
                    let flight = Flight {
                        id,
                        asked: now,
                        shared: shared.clone(),
                    };
                    self.flights.insert(question.to_owned(), flight);
                }
                Role::Lead { flight: id, shared }
            }
        }
    }

    /// Ends a flight, so that later callers make a new call.
    pub(crate) fn finish(&mut self, question: &str, flight: FlightId) {
        let current = self.flights.get(question);
        let is_own = |current: &Flight<S>| current.id == flight || !holds(Rule::FlightFinishOwn);
        if current.is_some_and(is_own) && holds(Rule::FlightFinish) {
            self.flights.remove(question);
        }
    }

    /// Returns whether one more call can be tracked. Without room the caller makes an unshared call.
    fn has_room(&mut self, question: &str, now: UnixMillis) -> bool {
        if self.flights.contains_key(question) {
            return true;
        }
        let since = now.millis_since(self.swept_at);
        let is_due = since >= FORGOTTEN_AFTER_MS
            || (self.flights.len() >= self.max_flights && since >= SWEEP_INTERVAL_MS);
        if is_due {
            self.swept_at = now;
            self.flights
                .retain(|_, flight| now.millis_since(flight.asked) < FORGOTTEN_AFTER_MS);
        }
        self.flights.len() < self.max_flights
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: u64) -> UnixMillis {
        UnixMillis(1_700_000_000_000 + ms)
    }

    fn join(flights: &mut SingleFlight<()>, in_vain: Option<FlightId>, ms: u64) -> Role<()> {
        flights.join("k", in_vain, at(ms), |_| ())
    }

    fn lead(role: &Role<()>) -> FlightId {
        match role {
            Role::Lead { flight, .. } => *flight,
            Role::Follow { .. } => panic!("{role:?}"),
        }
    }

    fn follow(role: &Role<()>) -> (FlightId, UnixMillis) {
        match role {
            Role::Follow { flight, asked, .. } => (*flight, *asked),
            Role::Lead { .. } => panic!("{role:?}"),
        }
    }

    #[test]
    fn concurrent_callers_share_one_call_and_its_start_time() {
        let mut flights = SingleFlight::default();
        let first = lead(&join(&mut flights, None, 0));
        for ms in 1..100 {
            assert_eq!(follow(&join(&mut flights, None, ms)), (first, at(0)));
        }
        flights.finish("k", first);
        lead(&join(&mut flights, None, 100));
    }

    #[test]
    fn other_keys_are_called_separately() {
        let mut flights = SingleFlight::default();
        let first = lead(&join(&mut flights, None, 0));
        let role = flights.join("other", None, at(0), |_| ());
        assert_ne!(lead(&role), first);
    }

    #[test]
    fn after_a_failed_call_one_waiter_calls_again() {
        let mut flights = SingleFlight::default();
        let gone = lead(&join(&mut flights, None, 0));
        let (seen, _) = follow(&join(&mut flights, None, 10));
        assert_eq!(seen, gone);
        let second = lead(&join(&mut flights, Some(gone), 310));
        assert_eq!(follow(&join(&mut flights, Some(gone), 311)).0, second);
        assert_eq!(follow(&join(&mut flights, None, 312)).0, second);
        // A late result of the first call does not end the second.
        flights.finish("k", gone);
        assert_eq!(follow(&join(&mut flights, None, 313)).0, second);
        flights.finish("k", second);
        lead(&join(&mut flights, Some(second), 314));
    }

    #[test]
    fn callers_beyond_the_limit_call_by_themselves() {
        let mut flights = SingleFlight {
            max_flights: 100,
            ..SingleFlight::default()
        };
        for number in 0..300 {
            lead(&flights.join(&number.to_string(), None, at(0), |_| ()));
            assert!(flights.flights.len() <= 100);
        }
        let ms = FORGOTTEN_AFTER_MS;
        lead(&flights.join("one more", None, at(ms), |_| ()));
        assert_eq!(flights.flights.len(), 1);
    }

    /// State of one caller: following a flight until a time, leading one, or gone.
    #[derive(Debug)]
    enum Caller {
        Following(FlightId, u64),
        Leading(FlightId),
        Gone,
    }

    proptest! {
        /// Callers come, leaders are cancelled or finish, and time passes. No caller waits longer than 300 ms for one
        /// flight. No two flights begin within 300 ms while the first is in progress. While leaders finish, every
        /// caller gets a result.
        #[test]
        fn no_caller_hangs_and_calls_stay_few(
            steps in prop::collection::vec((0..200_u64, 0..8_u8, 0..20_usize), 1..200)
        ) {
            let mut flights: SingleFlight<()> = SingleFlight::default();
            let mut callers: Vec<Caller> = Vec::new();
            let mut now = 0;
            let mut began: Option<(FlightId, u64)> = None;
            let take = |role: Role<()>, now: u64, began: &mut Option<(FlightId, u64)>| match role {
                Role::Follow { flight, .. } => Caller::Following(flight, now + PATIENCE_MS),
                Role::Lead { flight, .. } => {
                    if let Some((_, since)) = *began {
                        assert!(now - since >= PATIENCE_MS, "asked twice within {}", now - since);
                    }
                    *began = Some((flight, now));
                    Caller::Leading(flight)
                }
            };
            let end = steps.len();
            let calm = [(1_000, 1, 0); 3];
            for (step, (ms, what, which)) in steps.into_iter().chain(calm).enumerate() {
                now += ms;
                // A caller whose wait is over joins again.
                for caller in &mut callers {
                    if let Caller::Following(flight, until) = *caller && now >= until {
                        let role = join(&mut flights, Some(flight), now);
                        *caller = take(role, now, &mut began);
                    }
                }
                let which = if callers.is_empty() { 0 } else { which % callers.len() };
                match what {
                    // A leader finishes; after the steps all leaders do.
                    0 | 1 => {
                        let answers = |(at, caller): (usize, &Caller)| match caller {
                            Caller::Leading(flight) if step >= end || at == which => Some(*flight),
                            _ => None,
                        };
                        let ended: Vec<FlightId> =
                            callers.iter().enumerate().filter_map(answers).collect();
                        for flight in &ended {
                            flights.finish("k", *flight);
                        }
                        began = began.filter(|(current, _)| !ended.contains(current));
                        callers.retain(|caller| !matches!(
                            caller,
                            Caller::Following(flight, _) | Caller::Leading(flight)
                                if ended.contains(flight)
                        ));
                    }
                    2 => if let Some(caller) = callers.get_mut(which) {
                        *caller = Caller::Gone;
                    },
                    _ => {
                        let role = join(&mut flights, None, now);
                        callers.push(take(role, now, &mut began));
                    }
                }
            }
            let hanging = callers.iter().filter(|caller| !matches!(caller, Caller::Gone)).count();
            prop_assert_eq!(hanging, 0);
        }
    }
}
