//! Decides when the telemetry object stores what it added up: some seconds after it changed, once for all
//! that came in between.

use super::Collection;

/// Time that changed figures wait to be stored: what came since is lost if the object's isolate ends.
pub(crate) const KEEP_AFTER_MS: u32 = 3_000;

/// Whether the object waits to store its figures.
#[derive(Debug, Default)]
pub(crate) struct Keeping {
    is_waiting: bool,
}

impl Keeping {
    /// Returns whether the object has to wait for [`KEEP_AFTER_MS`] and then call [`Keeping::take`]:
    /// something changed, and it does not wait already.
    pub(crate) fn begins(&mut self, collection: &Collection) -> bool {
        let begins = collection.has_unkept() && !self.is_waiting;
        self.is_waiting |= begins;
        begins
    }

    /// Returns what has to be stored: a text for each tenant, and one under the empty name.
    pub(crate) fn take(&mut self, collection: &mut Collection) -> Vec<(String, String)> {
        self.is_waiting = false;
        collection.take_unkept()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    #[test]
    fn figures_are_stored_once_for_all_batches_that_come_while_they_wait() {
        let mut keeping = Keeping::default();
        let mut collection = Collection::default();
        let add = |collection: &mut Collection, number: u64| {
            let batch = crate::telemetry::batch::Batch::default();
            let command = batch.command("a", number);
            collection.apply(&command, UnixMillis(number)).unwrap();
        };
        assert!(!keeping.begins(&collection), "nothing changed");
        add(&mut collection, 1);
        assert!(keeping.begins(&collection));
        add(&mut collection, 2);
        assert!(!keeping.begins(&collection), "it waits already");
        assert_eq!(keeping.take(&mut collection).len(), 1);
        assert!(!keeping.begins(&collection));
        add(&mut collection, 3);
        assert!(keeping.begins(&collection));
    }
}
