//! Opens stored records, and keeps those that cannot be read for the operator.

use super::Interrupt;
use super::parts::{Recorder, Sessions};
use super::session_lookup::LookupResult;
use crate::clock::{Seconds, UnixMillis};
use crate::effect::Write;
use crate::response::problem::Problem;
use crate::session::codec::{self, Unreadable};
use crate::session::id::{Handle, RecordName};
use crate::store::cache::Known;
use crate::telemetry::log::{Event, Level};

/// Time for which an unreadable record stays in quarantine.
const QUARANTINE_TTL: Seconds = Seconds(7 * 86_400);

impl Sessions {
    /// Opens the bytes that storage held at time `asked`, and caches the entry.
    pub(crate) fn open(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        name: &RecordName,
        bytes: &[u8],
        asked: UnixMillis,
    ) -> Result<LookupResult, Interrupt> {
        match codec::open(bytes, name, &self.tenant.keys) {
            Ok(entry) => {
                let entry = self.with_unstored(recorder, (handle, name), entry, asked);
                let known = Known::new(entry, &self.tenant.keys);
                Ok(LookupResult::Found(self.cache.learn(handle, known, asked)))
            }
            Err(Unreadable::NewerFormat) => Err(Problem::SchemaNewer.into()),
            Err(Unreadable::UnknownKey) => {
                recorder.emit(Event::new(Level::Warn, "record_key_unknown").about(handle));
                Err(Problem::KeyUnknown.into())
            }
            Err(unreadable) => {
                self.quarantine(recorder, name, bytes, unreadable);
                Ok(LookupResult::Corrupt)
            }
        }
    }

    /// Keeps a copy of an unreadable record for the operator; the original stays as it is.
    fn quarantine(
        &mut self,
        recorder: &mut Recorder,
        name: &RecordName,
        bytes: &[u8],
        why: Unreadable,
    ) {
        let reason = match why {
            Unreadable::Malformed => "malformed",
            Unreadable::NewerFormat => "newer_format",
            Unreadable::UnknownKey => "unknown_key",
            Unreadable::SealBroken => "seal_broken",
        };
        let key = name.quarantine();
        // A repeated step finds the same bytes.
        if self.writes.iter().any(|write| write.key == key) {
            return;
        }
        recorder.emit(Event::new(Level::Error, "record_unreadable").with("reason", reason));
        self.writes.push(Write {
            key,
            value: bytes.to_vec(),
            ttl: QUARANTINE_TTL,
        });
    }
}
