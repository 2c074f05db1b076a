//! How many passwords an isolate works on at once.
//!
//! A hash takes some thirty milliseconds in which an isolate does nothing else. Of many sign-ins at once
//! a few go on and the others get 429, so that a visitor who chats here waits for a few hashes
//! and not for all of them. Nor does one client take all the places: between two hashes a place is kept
//! while others are asked, which may take seconds.

use core::cell::Cell;
use std::rc::Rc;

use crate::clock::UnixMillis;
use crate::http::network::Network;

/// So many are being worked on at once.
const PLACES: usize = 8;

/// So many of them are one client's at most.
const OF_CLIENT: usize = 2;

/// So many are at most those of one IPv6 site, and those of everybody whose address nobody vouches for: these
/// cannot be distinguished.
const OF_MANY: usize = PLACES / 2;

/// A place that nothing was heard of for so long is free again, in milliseconds: a request may be
/// dropped at any point. Longer than what is asked on the way may take.
const FREE_AFTER_MS: u64 = 3_000;

/// `Retry-After` of a client that finds no free slot, in seconds.
pub(crate) const COME_AGAIN_S: u64 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    number: u64,
    until: u64,
    /// Whose it is, if their places are counted.
    client: Option<Network>,
}

/// The places of one isolate; clones are the same places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Rc<Cell<[Place; PLACES]>>, Rc<Cell<u64>>);

impl Places {
    /// Takes a place, if there is one, and says which. Without a `client` it is somebody who has proved who they
    /// are; of a client's there are only a few.
    #[must_use]
    pub(crate) fn enter(&self, client: Option<Network>, now: UnixMillis) -> Option<u64> {
        if client.is_some_and(|client| self.has_its_share(client, now)) {
            return None;
        }
        let number = self.1.get().wrapping_add(1);
        let mut places = self.0.get();
        let place = places.iter_mut().find(|place| place.until <= now.0)?;
        *place = Place {
            number,
            until: now.0.saturating_add(FREE_AFTER_MS),
            client,
        };
        self.0.set(places);
        self.1.set(number);
        Some(number)
    }

    /// Keeps a place for a while longer, if it was not given away.
    pub(crate) fn stay(&self, number: u64, now: UnixMillis) {
        let mut places = self.0.get();
        let is_meant = |place: &&mut Place| place.number == number && place.until > 0;
        for place in places.iter_mut().filter(is_meant) {
            place.until = now.0.saturating_add(FREE_AFTER_MS);
        }
        self.0.set(places);
    }

    /// Leaves a place.
    pub(crate) fn leave(&self, number: u64) {
        let mut places = self.0.get();
        for place in places.iter_mut().filter(|place| place.number == number) {
            *place = Place::default();
        }
        self.0.set(places);
    }

    fn has_its_share(&self, client: Network, now: UnixMillis) -> bool {
        let held = |is_theirs: &dyn Fn(Network) -> bool| {
            let places = self.0.get();
            let taken = places.iter().filter(|place| place.until > now.0);
            taken
                .filter(|place| place.client.is_some_and(is_theirs))
                .count()
        };
        let most = match client {
            Network::Unknown => OF_MANY,
            _ => OF_CLIENT,
        };
        let site = client.site();
        held(&|other| other == client) >= most
            || (site.is_some() && held(&|other| other.site() == site) >= OF_MANY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn concurrent_hashes_are_limited() {
        let places = Places::default();
        let taken: Vec<u64> = (0..PLACES)
            .map(|_| places.enter(None, NOW).unwrap())
            .collect();
        assert_eq!(places.clone().enter(None, NOW), None);
        places.leave(taken[3]);
        let next = places.enter(None, NOW).unwrap();
        assert!(!taken.contains(&next));
        places.leave(taken[3]);
        assert_eq!(places.enter(None, NOW), None, "a place is left once");
    }

    #[test]
    fn abandoned_slot_is_freed() {
        let places = Places::default();
        let taken: Vec<u64> = (0..PLACES)
            .map(|_| places.enter(None, NOW).unwrap())
            .collect();
        let later = UnixMillis(NOW.0 + FREE_AFTER_MS - 1);
        places.stay(taken[0], later);
        let after = UnixMillis(NOW.0 + FREE_AFTER_MS);
        for _ in 1..PLACES {
            assert!(places.enter(None, after).is_some());
        }
        assert_eq!(places.enter(None, after), None);
        places.stay(taken[1], after);
        assert_eq!(places.enter(None, after), None);
    }

    #[test]
    fn one_client_cannot_take_all_slots() {
        let one = |text: &str| Some(Network::of(Some(text)));
        let entering = |places: &Places, client: &dyn Fn(usize) -> Option<Network>| {
            let tries = (0..3 * PLACES).filter(|at| places.enter(client(*at), NOW).is_some());
            tries.count()
        };
        let own_site = |at: usize| one(&format!("2001:db8:1:{at}::1"));
        for (most, client) in [
            (OF_CLIENT, &(|_| one("192.0.2.1")) as &dyn Fn(usize) -> _),
            (OF_CLIENT, &|at| one(&format!("2001:db8::{at}"))),
            (OF_MANY, &own_site),
            (OF_MANY, &|_| Some(Network::Unknown)),
        ] {
            let places = Places::default();
            assert_eq!(entering(&places, client), most);
            let another = places.enter(one("203.0.113.1"), NOW).unwrap();
            places.leave(another);
            // Nor is there more for whoever waits until a place that was dropped is free again.
            let later = UnixMillis(NOW.0 + FREE_AFTER_MS);
            let again = (0..PLACES).filter(|at| places.enter(client(*at), later).is_some());
            assert_eq!(again.count(), most);
            assert!(places.enter(one("203.0.113.1"), later).is_some());
        }
    }

    #[test]
    fn released_slot_is_reusable_and_a_held_one_is_kept() {
        let client = Some(Network::of(Some("192.0.2.1")));
        let places = Places::default();
        let first = places.enter(client, NOW).unwrap();
        assert!(places.enter(client, NOW).is_some());
        let later = UnixMillis(NOW.0 + FREE_AFTER_MS - 1);
        places.stay(first, later);
        let after = UnixMillis(NOW.0 + FREE_AFTER_MS);
        assert!(places.enter(client, after).is_some());
        assert_eq!(places.enter(client, after), None, "the first is still kept");
        places.leave(first);
        assert!(places.enter(client, after).is_some());
    }
}
