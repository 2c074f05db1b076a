//! Passes queued values to the gateway that confirmed their changes (`gateway/write_behind.rs`).

use super::Router;
use crate::clock::UnixMillis;
use crate::effect::{Found, Write};
use crate::gateway::Gateway;
use crate::gateway::write_behind::{Merged, change_lost, merge_unknown};
use crate::session::id::RecordName;
use crate::telemetry::labels::RequestLabels;

impl Router {
    /// Decides whether storage must be read before the value of a key is put.
    #[must_use]
    pub(crate) fn reads_first(&self, key: &str) -> bool {
        RecordName::tenant_in(key).is_some_and(|tenant| {
            let gateway = self.gateways.get(&tenant);
            gateway.is_none_or(|gateway| gateway.sessions.write_behind.reads_first(key))
        })
    }

    /// Merges a queued value with what storage showed at time `asked`.
    pub(crate) fn merge(
        &mut self,
        write: &Write,
        found: (&Found, UnixMillis),
        now: UnixMillis,
    ) -> Merged {
        let Some(tenant) = RecordName::tenant_in(&write.key) else {
            return Merged::AsIs;
        };
        let merged = self.at(&tenant, now, |gateway| {
            // It belongs to no request.
            gateway.recorder.labels = RequestLabels::default();
            let Gateway {
                sessions, recorder, ..
            } = gateway;
            sessions.merge(recorder, write, found, now)
        });
        if let Some(merged) = merged {
            return merged;
        }
        let keys = self.for_object(&tenant).map(|(keys, _)| keys);
        merge_unknown(write, found.0, keys).unwrap_or_else(|lost| {
            self.emit(change_lost(lost).of(&tenant));
            Merged::Nothing
        })
    }

    /// Notes that storage acknowledged a queued value, or what was put in its place. Returns whether that is enough, or
    /// the session must be put again.
    #[must_use]
    pub(crate) fn stored(&mut self, write: &Write) -> bool {
        self.writer_of(&write.key).is_none_or(|gateway| {
            let unstored = &mut gateway.sessions.write_behind;
            unstored.stored(&write.key, &write.value)
        })
    }

    /// Notes that a queued value was given up.
    pub(crate) fn lost(&mut self, write: &Write) {
        if let Some(gateway) = self.writer_of(&write.key) {
            let unstored = &mut gateway.sessions.write_behind;
            unstored.lost(&write.key, &write.value);
        }
    }

    fn writer_of(&mut self, key: &str) -> Option<&mut Gateway> {
        let tenant = RecordName::tenant_in(key)?;
        self.gateways.get_mut(&tenant)
    }
}
