//! Merges isolates' values with what storage shows, and records that for the checker. Only with KV alone.

use super::*;
use crate::gateway::write_behind::Merged;
use crate::session::record::Record;
use crate::store::cache::Known;

impl World {
    pub(super) fn reads_first(&self, place: usize, key: &str) -> bool {
        let sessions = &self.isolates[place].gateway.sessions;
        sessions.write_behind.reads_first(key)
    }

    /// Merges the value of a driver with the answer to its read, and puts it.
    pub(super) fn merge(&mut self, driver: u64, found: &Found, asked: u64) {
        let Some(writer) = self.writers.get_mut(&driver) else {
            return;
        };
        let (place, now) = (writer.place, UnixMillis(self.now));
        let attempt = writer.merging.take().unwrap();
        let Isolate { queue, gateway, .. } = &mut self.isolates[place];
        let Some(attempt) = queue.renew(&attempt, now) else {
            return self.drive_write(driver);
        };
        let Gateway {
            sessions, recorder, ..
        } = gateway;
        let found = (found, UnixMillis(asked));
        let merged = sessions.merge(recorder, &attempt.write, found, now);
        self.read_log(place);
        match merged {
            Merged::AsIs => {
                self.see_merged(place, &attempt.write);
                self.begin_put(driver, attempt, None);
            }
            Merged::Instead(write) => {
                self.see_merged(place, &write);
                self.begin_put(driver, attempt, Some(&write));
            }
            Merged::Nothing => {
                let isolate = self.isolates[place].number;
                let write = &attempt.write;
                let value = (isolate, write.key.clone(), write.value.clone());
                let number = self.values[&value];
                self.observe(What::Cancelled { number });
                self.put_done(driver, &attempt, true);
            }
            Merged::Unknown => self.put_done(driver, &attempt, false),
        }
    }

    /// Records a read of a session's record.
    pub(super) fn see_read(&mut self, place: usize, question: &str, found: &Found) {
        if self.ordered {
            return;
        }
        if let (Some(handle), Found::Bytes(bytes)) = (self.handle_of(place, question), found) {
            let name = RecordName::derive(&self.tenant, handle);
            let Ok(entry) = codec::open(bytes, &name, &self.keys) else {
                return;
            };
            let shown = match entry {
                Entry::Live(record) => Some((record.version.0, marks_of(&record))),
                Entry::Ended { .. } => None,
            };
            let isolate = self.isolates[place].number;
            let key = question.to_owned();
            self.observe(What::Shown {
                isolate,
                key,
                shown,
            });
        }
    }

    /// Tells the isolate that storage acknowledged its value. Returns whether that is enough.
    pub(super) fn acknowledge(&mut self, place: usize, write: &Write) -> bool {
        let sessions = &mut self.isolates[place].gateway.sessions;
        let is_enough = sessions.write_behind.stored(&write.key, &write.value);
        self.see_settled(place, &write.key);
        is_enough
    }

    /// Records which changes an isolate has left to merge.
    pub(super) fn see_settled(&mut self, place: usize, key: &str) {
        let unstored = &self.isolates[place].gateway.sessions.write_behind;
        let oldest = unstored.oldest(key).map(|version| version.0);
        let settled = What::Settled {
            isolate: self.isolates[place].number,
            key: key.to_owned(),
            oldest: oldest.filter(|_| unstored.merges(key).is_some()),
        };
        if !self.ordered {
            self.observe(settled);
        }
    }

    /// Records a mark that an isolate confirmed and must merge.
    pub(super) fn see_confirmed(&mut self, place: usize, handle: Handle, mark: Mark) {
        let name = RecordName::derive(&self.tenant, handle);
        let isolate = &mut self.isolates[place];
        let sessions = &mut isolate.gateway.sessions;
        let hit = sessions.cache.get(handle, UnixMillis(self.now));
        if let Some(Known::Live(session)) = hit.map(|hit| hit.known)
            && sessions.write_behind.merges(name.as_str()).is_some()
        {
            let confirmed = What::Confirmed {
                isolate: isolate.number,
                key: name.as_str().to_owned(),
                version: session.record.version.0,
                mark,
            };
            self.observe(confirmed);
        }
    }

    /// Records a value that was merged.
    fn see_merged(&mut self, place: usize, write: &Write) {
        let Some(handle) = self.handle_of(place, &write.key) else {
            return;
        };
        let name = RecordName::derive(&self.tenant, handle);
        if let Ok(Entry::Live(record)) = codec::open(&write.value, &name, &self.keys) {
            self.observe(What::Merged {
                isolate: self.isolates[place].number,
                key: write.key.clone(),
                marks: marks_of(&record),
            });
        }
    }

    /// Reads the log of an isolate. Returns whether it lost the change of a response, and records whether it lost a
    /// confirmed one.
    pub(super) fn read_log(&mut self, place: usize) -> bool {
        let Isolate {
            gateway, number, ..
        } = &mut self.isolates[place];
        let isolate = *number;
        let mut lost = gateway.recorder.take_events();
        lost.retain(|event| event.name() == "session_change_lost");
        let (confirmed, own): (Vec<_>, Vec<_>) = lost
            .into_iter()
            .partition(|event| event.text("origin").is_empty());
        if !confirmed.is_empty() {
            self.observe(What::Dropped { isolate });
        }
        !own.is_empty()
    }

    fn handle_of(&self, place: usize, key: &str) -> Option<Handle> {
        let sessions = &self.isolates[place].gateway.sessions;
        sessions.write_behind.merges(key)
    }
}

fn marks_of(record: &Record) -> BTreeSet<Mark> {
    marks(&serde_json::from_str(record.data.to_json()).unwrap())
}
