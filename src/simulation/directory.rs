//! The directory object, with its rows in memory.

use crate::clock::UnixMillis;
use crate::store::session_index::object::{DirectoryObject, Surplus, memory::Memory};

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

    /// Whether this subject was revoked after this point in history, as far as that is not forgotten.
    pub(crate) fn revoked_since(&self, subject: &str, epoch: u64) -> bool {
        let revoked = self.tables.revoked_at(subject);
        revoked.is_some_and(|at| at > epoch)
    }
}
