//! Limits the number of passwords that an isolate processes at the same time.
//!
//! A hash blocks the isolate for some thirty milliseconds. Of many sign-ins at once a few proceed and the others get
//! 429, so a visitor of the chat waits for a few hashes only. One client cannot take all slots: between two hashes a
//! sign-in keeps its slot while it waits for objects, which may take seconds.

use core::cell::Cell;
use std::rc::Rc;

use crate::clock::UnixMillis;
use crate::http::network::Network;

/// Number of slots.
const PLACES: usize = 8;

/// Maximum number of slots of one client.
const OF_CLIENT: usize = 2;

/// Maximum number of slots of one IPv6 site, and of all clients without a trusted address, which cannot be told apart.
const OF_MANY: usize = PLACES / 2;

/// Time after which an idle slot is free again, in milliseconds, because a request may be dropped at any point. Longer
/// than the effects between two hashes may take.
const FREE_AFTER_MS: u64 = 3_000;

/// `Retry-After` of a client that finds no free slot, in seconds.
pub(crate) const COME_AGAIN_S: u64 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    number: u64,
    until: u64,
    /// Client that holds it, if slots of this client are limited.
    client: Option<Network>,
}

/// Slots of one isolate; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Rc<Cell<[Place; PLACES]>>, Rc<Cell<u64>>);

impl Places {
    /// Takes a slot and returns its number; `None` if no slot is free or the client has its share. `client` is `None`
    /// for an authenticated user, who has no limit.
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

    /// Extends the time of a slot, if it is still held.
    pub(crate) fn stay(&self, number: u64, now: UnixMillis) {
        let mut places = self.0.get();
        let is_meant = |place: &&mut Place| place.number == number && place.until > 0;
        for place in places.iter_mut().filter(is_meant) {
            place.until = now.0.saturating_add(FREE_AFTER_MS);
        }
        self.0.set(places);
    }

    /// Releases a slot.
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
            // Waiting until an abandoned slot is free gives a client no more slots.
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
