//! The directory object, with its rows in memory.

use crate::clock::UnixMillis;
use crate::store::directory::object::{self, memory::Memory};

#[derive(Default)]
pub(crate) struct Directory {
    tables: Memory,
    forgot: UnixMillis,
}

/// A session that is one too many, and what to say to it.
pub(crate) struct Surplus {
    pub(crate) session: String,
    pub(crate) command: String,
}

impl Directory {
    pub(crate) fn obey(&mut self, command: &str, now: UnixMillis) -> (Vec<u8>, Vec<Surplus>) {
        let obeyed = object::obey(&mut self.tables, command, now, self.forgot).unwrap();
        self.forgot = obeyed.forgot;
        let one = |session: String| Surplus {
            session,
            command: obeyed.end.clone(),
        };
        let surplus = obeyed.surplus.into_iter().map(one).collect();
        (obeyed.answer.into_bytes(), surplus)
    }

    /// An object that is started anew remembers only its rows.
    pub(crate) fn restart(&mut self) {
        self.forgot = UnixMillis::default();
    }

    /// Whether this subject was revoked after this point in history, as far as that is not forgotten.
    pub(crate) fn revoked_since(&self, subject: &str, epoch: u64) -> bool {
        let revoked = self.tables.revoked_at(subject);
        revoked.is_some_and(|at| at > epoch)
    }
}
