//! Runs the directory object with its rows in memory.

use crate::clock::UnixMillis;
use crate::store::session_index::object::{
    DirectoryObject, Listing, Surplus, Tables as _, memory::Memory,
};

#[derive(Default)]
pub(crate) struct Directory {
    tables: Memory,
    object: DirectoryObject,
}

impl Directory {
    pub(crate) fn command(
        &mut self,
        tenant: &str,
        command: &str,
        now: UnixMillis,
    ) -> (Vec<u8>, Vec<Surplus>) {
        let outcome = self.object.command(&mut self.tables, tenant, command, now);
        let outcome = outcome.unwrap();
        (outcome.answer.into_bytes(), outcome.surplus)
    }

    /// Restarts the object: only its rows survive.
    pub(crate) fn restart(&mut self) {
        self.object = DirectoryObject::default();
    }

    /// Returns the listings of a user.
    pub(crate) fn listed(&mut self, user: &str) -> Vec<Listing> {
        self.tables.listings_of(user).unwrap()
    }

    /// Returns whether a session is listed.
    pub(crate) fn is_listed(&self, session: &str) -> bool {
        self.tables.is_listed(session)
    }

    /// Returns whether nothing but the last epoch is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Returns whether a subject was revoked after this epoch, if the revocation is still stored.
    pub(crate) fn revoked_since(&self, subject: &str, epoch: u64) -> bool {
        let revoked = self.tables.revoked_at(subject);
        revoked.is_some_and(|at| at > epoch)
    }
}
