//! Passes queued values to the gateway that confirmed their changes (`gateway/write_behind.rs`).

use super::Router;
use crate::clock::UnixMillis;
use crate::effect::{Found, Write};
use crate::gateway::Gateway;
use crate::gateway::write_behind::Merged;
use crate::session::id::RecordName;
use crate::telemetry::labels::RequestLabels;

impl Router {
    /// Returns whether the value of a key must be merged with a fresh read before it is put.
    #[must_use]
    pub(crate) fn merges(&mut self, key: &str) -> bool {
        let gateway = self.writer_of(key);
        gateway.is_some_and(|gateway| gateway.sessions.write_behind.merges(key).is_some())
    }

    /// Merges a queued value with what storage showed at time `asked`.
    pub(crate) fn merge(
        &mut self,
        write: &Write,
        found: (&Found, UnixMillis),
        now: UnixMillis,
    ) -> Merged {
        let merged = RecordName::tenant_in(&write.key).and_then(|tenant| {
            self.at(&tenant, now, |gateway| {
                // It belongs to no request.
                gateway.recorder.labels = RequestLabels::default();
                let Gateway {
                    sessions, recorder, ..
                } = gateway;
                sessions.merge(recorder, write, found, now)
            })
        });
        merged.unwrap_or(Merged::AsIs)
    }

    /// Notes that storage acknowledged a queued value, or what was put in its place.
    pub(crate) fn stored(&mut self, write: &Write) {
        if let Some(gateway) = self.writer_of(&write.key) {
            let unstored = &mut gateway.sessions.write_behind;
            unstored.stored(&write.key, &write.value);
        }
    }

    fn writer_of(&mut self, key: &str) -> Option<&mut Gateway> {
        let tenant = RecordName::tenant_in(key)?;
        self.gateways.get_mut(&tenant)
    }
}
