//! Decides when the telemetry object stores its aggregate: some seconds after a change, once for all changes meanwhile.

use super::Collection;

/// Delay before changes are stored, in milliseconds; if the object's isolate ends before, they are lost.
pub(crate) const KEEP_AFTER_MS: u32 = 3_000;

/// Maximum number of batches noted until the aggregate is stored. The next instance must merge them all at once if this
/// one dies.
const MAX_NOTED: u32 = 200;

/// Room to note another batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// There is room.
    Free,
    /// The oldest noted batch must be dropped first.
    Full {
        /// Whether this was logged already.
        is_logged: bool,
    },
}

/// State of storing the aggregate.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    is_waiting: bool,
    is_full: bool,
}

impl Keeping {
    /// Returns whether the object must wait for [`KEEP_AFTER_MS`] and then call [`Keeping::keep`]: there are changes,
    /// and it is not waiting already.
    pub(crate) fn begins(&mut self, collection: &Collection) -> bool {
        let begins = collection.has_unkept() && !self.is_waiting;
        self.is_waiting |= begins;
        begins
    }

    /// Returns whether there is room for another batch when `noted` are noted.
    pub(crate) fn make_room(&mut self, noted: u32) -> Room {
        let is_logged = self.is_full;
        self.is_full = noted >= MAX_NOTED;
        if self.is_full {
            Room::Full { is_logged }
        } else {
            Room::Free
        }
    }

    /// Stores the changes atomically: one text per tenant, and one under the empty name. After a failure the next batch
    /// stores them.
    ///
    /// # Errors
    /// Returns the error of `store`.
    pub(crate) fn keep<E>(
        &mut self,
        collection: &mut Collection,
        store: impl FnOnce(Vec<(String, String)>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.is_waiting = false;
        store(collection.unkept())?;
        collection.mark_kept();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use crate::telemetry::metric;

    #[test]
    fn oldest_batch_is_dropped_and_logged_once() {
        let mut keeping = Keeping::default();
        let mut noted = 0;
        let mut add = || {
            let room = keeping.make_room(noted);
            noted += u32::from(room == Room::Free);
            room
        };
        assert!((0..MAX_NOTED).all(|_| add() == Room::Free));
        assert_eq!(add(), Room::Full { is_logged: false });
        assert_eq!(add(), Room::Full { is_logged: true });
        assert_eq!(add(), Room::Full { is_logged: true });
        assert_eq!(noted, MAX_NOTED);
        // The aggregate was stored meanwhile.
        assert_eq!(keeping.make_room(0), Room::Free);
        assert_eq!(
            keeping.make_room(MAX_NOTED),
            Room::Full { is_logged: false }
        );
    }

    #[test]
    fn batches_that_arrive_meanwhile_share_one_write() {
        let mut keeping = Keeping::default();
        let mut collection = Collection::default();
        let add = |collection: &mut Collection, number: u64| {
            let batch = crate::telemetry::batch::Batch::default();
            collection.apply(batch.into_command("a", number), UnixMillis(number));
        };
        assert!(!keeping.begins(&collection), "nothing changed");
        add(&mut collection, 1);
        assert!(keeping.begins(&collection));
        add(&mut collection, 2);
        assert!(!keeping.begins(&collection), "it waits already");
        let store = |changed: Vec<(String, String)>| {
            assert_eq!(changed.len(), 1);
            Ok::<(), ()>(())
        };
        keeping.keep(&mut collection, store).unwrap();
        assert!(!keeping.begins(&collection));
        add(&mut collection, 3);
        assert!(keeping.begins(&collection));
    }

    #[test]
    fn figures_that_could_not_be_stored_are_stored_with_the_next() {
        let mut keeping = Keeping::default();
        let mut collection = Collection::default();
        let add = |collection: &mut Collection, number: u64, tenant: &str| {
            let mut batch = crate::telemetry::batch::Batch::default();
            batch.count(metric::REFUSED, &format!("{tenant}\tcode"), 1);
            collection.apply(batch.into_command("a", number), UnixMillis(number));
        };
        add(&mut collection, 1, "acme");
        assert!(keeping.begins(&collection));
        assert_eq!(keeping.keep(&mut collection, |_| Err("full")), Err("full"));
        assert!(keeping.begins(&collection), "it is tried again");
        add(&mut collection, 2, "globex");
        let mut stored = Vec::new();
        let store = |changed: Vec<(String, String)>| {
            stored.extend(changed.into_iter().map(|(owner, _)| owner));
            Ok::<(), ()>(())
        };
        keeping.keep(&mut collection, store).unwrap();
        assert_eq!(stored, ["", "acme", "globex"]);
        assert!(!keeping.begins(&collection));
    }
}
