//! Orders newcomers who wait while their tenant is full: in order of arrival, whatever isolate they come by.
//!
//! The tenant's pool object holds the queue of all isolates; with KV alone each isolate holds its own. The queue is in
//! memory. Each newcomer has a signed ticket with its arrival (`gateway/waiting.rs`), so a lost queue is in order again
//! as soon as those who wait have asked again.

use crate::clock::{Seconds, UnixMillis};
use crate::rule::{Rule, holds};

/// Time until a session that was admitted shows in the load that isolates know, in milliseconds: two exchanges. Until
/// then it counts as used room.
const UNSEEN_MS: u64 = 4_000;

/// Maximum number of times that a ticket admits: the second time in case that the first answer was lost.
const MAX_ADMISSIONS: u8 = 2;

/// Maximum number of remembered admissions. Beyond it the earliest are forgotten.
const MAX_ADMITTED: usize = 10_000;

/// Arrival of a newcomer. Arrivals are in order of their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrival {
    /// Time of the first request.
    pub at: UnixMillis,
    /// Random number that distinguishes arrivals of one millisecond.
    pub id: u32,
}

/// Question of a newcomer, which an isolate asks with what it knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask {
    /// Arrival of the newcomer.
    pub arrival: Arrival,
    /// Number of new sessions that the origins accept now.
    pub room: u32,
    /// Maximum number of places.
    pub places: u32,
    /// Time after which a place that was not asked for again is given up.
    pub timeout: Seconds,
}

/// Answer to a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The newcomer may begin a session.
    Admitted,
    /// The newcomer waits at this place, counted from 1.
    Waits(u32),
    /// All places are taken.
    Refused,
    /// The ticket has admitted as often as it may.
    Spent,
}

/// Place of one newcomer.
#[derive(Debug)]
struct Place {
    arrival: Arrival,
    /// Time until which the place is on time. A late one delays none behind it, and keeps its turn.
    due: UnixMillis,
    /// Time at which the place is given up.
    until: UnixMillis,
}

impl Place {
    fn is_held(&self, now: UnixMillis) -> bool {
        self.until > now || !holds(Rule::QueueGivenUp)
    }
}

/// Admission of one newcomer.
#[derive(Debug)]
struct Admission {
    arrival: Arrival,
    at: UnixMillis,
    /// Time until which the ticket is valid.
    until: UnixMillis,
    times: u8,
}

/// Newcomers of a tenant who wait, in order of arrival.
#[derive(Debug, Default)]
pub(crate) struct WaitingQueue {
    places: Vec<Place>,
    /// Recent admissions, in order of time.
    admitted: Vec<Admission>,
    given_up: u32,
}

/// Returns the seconds after which a newcomer asks again, by its place. Those in front ask more often, so that free room
/// is used soon; the others less, so that a long queue costs few calls.
#[must_use]
pub(crate) fn retry_after(place: Option<u32>, timeout: Seconds) -> u64 {
    let often = match place {
        Some(0..=50) => 5,
        Some(51..=500) | None => 10,
        Some(_) => 20,
    };
    often.min(timeout.0 / 3).max(1)
}

impl WaitingQueue {
    /// Decides on a newcomer: admits it if there is room for it and for all on time before it.
    pub(crate) fn ask(&mut self, ask: &Ask, now: UnixMillis) -> Turn {
        self.forget(now);
        let arrival = ask.arrival;
        let ticket_until = UnixMillis(now.0.saturating_add(ask.timeout.0.saturating_mul(1_000)));
        let mut admitted = self.admitted.iter_mut();
        let earlier = admitted.find(|admission| admission.arrival == arrival);
        let times = earlier.map_or(0, |admission| {
            admission.until = ticket_until;
            admission.times
        });
        if times >= MAX_ADMISSIONS && holds(Rule::QueueTicketSpent) {
            return Turn::Spent;
        }
        let found = self
            .places
            .binary_search_by(|place| place.arrival.cmp(&arrival));
        let (Ok(index) | Err(index)) = found;
        let is_ahead = |place: &&Place| place.due > now || !holds(Rule::QueueLateBlocksNone);
        let ahead = self.places.iter().take(index).filter(is_ahead).count();
        let ahead = if holds(Rule::QueueOrder) { ahead } else { 0 };
        let is_unseen = |admission: &&Admission| now.millis_since(admission.at) < UNSEEN_MS;
        let unseen = self.admitted.iter().filter(is_unseen).count();
        let unseen = if holds(Rule::QueueUnseen) { unseen } else { 0 };
        if ahead + unseen < usize::try_from(ask.room).unwrap_or(usize::MAX) {
            if found.is_ok() {
                self.places.remove(index);
            }
            self.admit(Admission {
                arrival,
                at: now,
                until: ticket_until,
                times: times.saturating_add(1),
            });
            return Turn::Admitted;
        }
        let is_full = self.places.len() >= usize::try_from(ask.places).unwrap_or(usize::MAX);
        if found.is_err() && is_full && holds(Rule::QueueBound) {
            return Turn::Refused;
        }
        let place = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
        let retry_ms = retry_after(Some(place), ask.timeout) * 1_000;
        // A client that keeps no cookies never comes back, so a place that was asked for once is given up early.
        let until = match found {
            Ok(_) => ticket_until,
            Err(_) => UnixMillis(now.0 + retry_ms * 2),
        };
        let taken = Place {
            arrival,
            due: UnixMillis(now.0 + retry_ms * 3 / 2),
            until,
        };
        match self.places.get_mut(index).filter(|_| found.is_ok()) {
            Some(place) => *place = taken,
            None => self.places.insert(index, taken),
        }
        Turn::Waits(place)
    }

    /// Returns the number of newcomers who wait.
    #[must_use]
    pub(crate) fn waiting(&self, now: UnixMillis) -> u32 {
        let waiting = self.places.iter().filter(|place| place.is_held(now));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// Takes the number of places that were given up since the last call.
    pub(crate) fn take_given_up(&mut self) -> u32 {
        core::mem::take(&mut self.given_up)
    }

    fn admit(&mut self, admission: Admission) {
        let arrival = admission.arrival;
        self.admitted.retain(|earlier| earlier.arrival != arrival);
        if self.admitted.len() >= MAX_ADMITTED {
            self.admitted.remove(0);
        }
        self.admitted.push(admission);
    }

    /// Gives up the places that were not asked for in time.
    pub(crate) fn forget(&mut self, now: UnixMillis) {
        let before = self.places.len();
        self.places.retain(|place| place.is_held(now));
        let given_up = u32::try_from(before - self.places.len()).unwrap_or(u32::MAX);
        self.given_up = self.given_up.saturating_add(given_up);
        self.admitted.retain(|admission| admission.until > now);
    }
}

#[cfg(test)]
mod tests;
