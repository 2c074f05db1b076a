//! The directory object, with its rows in memory.

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

    /// An object that is started again remembers only its rows.
    pub(crate) fn restart(&mut self) {
        self.object = DirectoryObject::default();
    }

    /// The listings of a user.
    pub(crate) fn listed(&mut self, user: &str) -> Vec<Listing> {
        self.tables.listings_of(user).unwrap()
    }

    /// Whether a session is listed.
    pub(crate) fn is_listed(&self, session: &str) -> bool {
        self.tables.is_listed(session)
    }

    /// Whether nothing is stored but the last point in history.
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Whether this subject was revoked after this point in history, as far as that is not forgotten.
    pub(crate) fn revoked_since(&self, subject: &str, epoch: u64) -> bool {
        let revoked = self.tables.revoked_at(subject);
        revoked.is_some_and(|at| at > epoch)
    }
}
