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
const SLOTS: usize = 8;

/// Maximum number of slots of one client.
const MAX_PER_CLIENT: usize = 2;

/// Maximum number of slots of one IPv6 site, and of all clients without a trusted address, which cannot be told apart.
const MAX_PER_SITE: usize = SLOTS / 2;

/// Time after which an idle slot is free again, in milliseconds, because a request may be dropped at any point. Longer
/// than the effects between two hashes may take.
const FREE_AFTER_MS: u64 = 3_000;

/// `Retry-After` of a client that finds no free slot, in seconds.
pub(crate) const RETRY_AFTER_S: u64 = 1;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    number: u64,
    until: u64,
    /// Client that holds it, if slots of this client are limited.
    client: Option<Network>,
}

/// Slots of one isolate; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Rc<Cell<[Slot; SLOTS]>>, Rc<Cell<u64>>);

impl Slots {
    /// Takes a slot and returns its number; `None` if no slot is free or the client has its share. `client` is `None`
    /// for an authenticated user, who has no limit.
    #[must_use]
    pub(crate) fn acquire(&self, client: Option<Network>, now: UnixMillis) -> Option<u64> {
        if client.is_some_and(|client| self.is_at_limit(client, now)) {
            return None;
        }
        let number = self.1.get().wrapping_add(1);
        let mut slots = self.0.get();
        let slot = slots.iter_mut().find(|slot| slot.until <= now.0)?;
        *slot = Slot {
            number,
            until: now.0.saturating_add(FREE_AFTER_MS),
            client,
        };
        self.0.set(slots);
        self.1.set(number);
        Some(number)
    }

    /// Extends the time of a slot, if it is still held.
    pub(crate) fn extend(&self, number: u64, now: UnixMillis) {
        let mut slots = self.0.get();
        let is_held = |slot: &&mut Slot| slot.number == number && slot.until > 0;
        for slot in slots.iter_mut().filter(is_held) {
            slot.until = now.0.saturating_add(FREE_AFTER_MS);
        }
        self.0.set(slots);
    }

    /// Releases a slot.
    pub(crate) fn release(&self, number: u64) {
        let mut slots = self.0.get();
        for slot in slots.iter_mut().filter(|slot| slot.number == number) {
            *slot = Slot::default();
        }
        self.0.set(slots);
    }

    fn is_at_limit(&self, client: Network, now: UnixMillis) -> bool {
        let held = |matches: &dyn Fn(Network) -> bool| {
            let slots = self.0.get();
            let taken = slots.iter().filter(|slot| slot.until > now.0);
            taken
                .filter(|slot| slot.client.is_some_and(matches))
                .count()
        };
        let most = match client {
            Network::Unknown => MAX_PER_SITE,
            _ => MAX_PER_CLIENT,
        };
        let site = client.site();
        held(&|other| other == client) >= most
            || (site.is_some() && held(&|other| other.site() == site) >= MAX_PER_SITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn concurrent_hashes_are_limited() {
        let slots = Slots::default();
        let taken: Vec<u64> = (0..SLOTS)
            .map(|_| slots.acquire(None, NOW).unwrap())
            .collect();
        assert_eq!(slots.clone().acquire(None, NOW), None);
        slots.release(taken[3]);
        let next = slots.acquire(None, NOW).unwrap();
        assert!(!taken.contains(&next));
        slots.release(taken[3]);
        assert_eq!(slots.acquire(None, NOW), None, "a slot is released once");
    }

    #[test]
    fn abandoned_slot_is_freed() {
        let slots = Slots::default();
        let taken: Vec<u64> = (0..SLOTS)
            .map(|_| slots.acquire(None, NOW).unwrap())
            .collect();
        let later = UnixMillis(NOW.0 + FREE_AFTER_MS - 1);
        slots.extend(taken[0], later);
        let after = UnixMillis(NOW.0 + FREE_AFTER_MS);
        for _ in 1..SLOTS {
            assert!(slots.acquire(None, after).is_some());
        }
        assert_eq!(slots.acquire(None, after), None);
        slots.extend(taken[1], after);
        assert_eq!(slots.acquire(None, after), None);
    }

    #[test]
    fn one_client_cannot_take_all_slots() {
        let one = |text: &str| Some(Network::of(Some(text)));
        let acquired = |slots: &Slots, client: &dyn Fn(usize) -> Option<Network>| {
            let tries = (0..3 * SLOTS).filter(|at| slots.acquire(client(*at), NOW).is_some());
            tries.count()
        };
        let own_site = |at: usize| one(&format!("2001:db8:1:{at}::1"));
        for (most, client) in [
            (
                MAX_PER_CLIENT,
                &(|_| one("192.0.2.1")) as &dyn Fn(usize) -> _,
            ),
            (MAX_PER_CLIENT, &|at| one(&format!("2001:db8::{at}"))),
            (MAX_PER_SITE, &own_site),
            (MAX_PER_SITE, &|_| Some(Network::Unknown)),
        ] {
            let slots = Slots::default();
            assert_eq!(acquired(&slots, client), most);
            let another = slots.acquire(one("203.0.113.1"), NOW).unwrap();
            slots.release(another);
            // Waiting until an abandoned slot is free gives a client no more slots.
            let later = UnixMillis(NOW.0 + FREE_AFTER_MS);
            let again = (0..SLOTS).filter(|at| slots.acquire(client(*at), later).is_some());
            assert_eq!(again.count(), most);
            assert!(slots.acquire(one("203.0.113.1"), later).is_some());
        }
    }

    #[test]
    fn released_slot_is_reusable_and_a_held_one_is_kept() {
        let client = Some(Network::of(Some("192.0.2.1")));
        let slots = Slots::default();
        let first = slots.acquire(client, NOW).unwrap();
        assert!(slots.acquire(client, NOW).is_some());
        let later = UnixMillis(NOW.0 + FREE_AFTER_MS - 1);
        slots.extend(first, later);
        let after = UnixMillis(NOW.0 + FREE_AFTER_MS);
        assert!(slots.acquire(client, after).is_some());
        assert_eq!(
            slots.acquire(client, after),
            None,
            "the first is still kept"
        );
        slots.release(first);
        assert!(slots.acquire(client, after).is_some());
    }
}
