//! How many passwords an isolate works on at once.
//!
//! A hash takes some thirty milliseconds in which an isolate does nothing else. Of many sign-ins at once
//! a few go on and the others are told to come again, so that whoever chats here waits for a few hashes
//! and not for all of them.

use core::cell::Cell;
use std::rc::Rc;

use crate::clock::UnixMillis;

/// So many are being worked on at once.
const PLACES: usize = 8;

/// A place that nothing was heard of for so long is free again, in milliseconds: a request may be
/// dropped at any point. Longer than what is asked on the way may take.
const FREE_AFTER_MS: u64 = 3_000;

/// How long who finds no place is told to wait, in seconds.
pub const COME_AGAIN_S: u64 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    number: u64,
    until: u64,
}

/// The places of one isolate; clones are the same places.
#[derive(Clone, Debug, Default)]
pub struct Places(Rc<Cell<[Place; PLACES]>>, Rc<Cell<u64>>);

impl Places {
    /// Takes a place, if there is one, and says which.
    #[must_use]
    pub fn enter(&self, now: UnixMillis) -> Option<u64> {
        let number = self.1.get().wrapping_add(1);
        self.change(|place| place.until <= now.0, number, now)
            .then(|| self.1.set(number))
            .map(|()| number)
    }

    /// Keeps a place for a while longer, if it was not given away.
    pub fn stay(&self, number: u64, now: UnixMillis) {
        self.change(
            |place| place.number == number && place.until > 0,
            number,
            now,
        );
    }

    /// Leaves a place.
    pub fn leave(&self, number: u64) {
        let mut places = self.0.get();
        for place in places.iter_mut().filter(|place| place.number == number) {
            *place = Place::default();
        }
        self.0.set(places);
    }

    fn change(&self, is_meant: impl Fn(&Place) -> bool, number: u64, now: UnixMillis) -> bool {
        let mut places = self.0.get();
        let Some(place) = places.iter_mut().find(|place| is_meant(place)) else {
            return false;
        };
        let until = now.0.saturating_add(FREE_AFTER_MS);
        *place = Place { number, until };
        self.0.set(places);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_few_are_let_in_and_the_next_when_one_has_left() {
        let places = Places::default();
        let taken: Vec<u64> = (0..PLACES).map(|_| places.enter(NOW).unwrap()).collect();
        assert_eq!(places.clone().enter(NOW), None);
        places.leave(taken[3]);
        let next = places.enter(NOW).unwrap();
        assert!(!taken.contains(&next));
        places.leave(taken[3]);
        assert_eq!(places.enter(NOW), None, "a place is left once");
    }

    #[test]
    fn a_place_that_nobody_comes_back_to_is_free_again() {
        let places = Places::default();
        let taken: Vec<u64> = (0..PLACES).map(|_| places.enter(NOW).unwrap()).collect();
        let later = UnixMillis(NOW.0 + FREE_AFTER_MS - 1);
        places.stay(taken[0], later);
        let after = UnixMillis(NOW.0 + FREE_AFTER_MS);
        for _ in 1..PLACES {
            assert!(places.enter(after).is_some());
        }
        assert_eq!(places.enter(after), None);
        places.stay(taken[1], after);
        assert_eq!(places.enter(after), None);
    }
}
