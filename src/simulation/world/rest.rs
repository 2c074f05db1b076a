//! What everything has come to in the end.

use super::*;
use crate::clock::Seconds;
use crate::session::lifetime::Lifetime;
use crate::session::record::Record;
use crate::store::directory::read_list;

impl World {
    pub(super) fn stands(&self, name: &str) -> Option<Entry> {
        let (tenant, handle) = parse_object_name(name)?;
        let mut random = ChaCha20Rng::seed_from_u64(0);
        let mut ledger = Ledger {
            tenant: &tenant,
            handle,
            keys: &self.keys,
            random: &mut random,
            now: UnixMillis(self.now),
        };
        let read = r#"{"idle":1,"absolute":1,"remember":1,"order":{"do":"read"}}"#;
        let row = self.rows.get(name).map(Vec::as_slice);
        let verdict = ledger.command(&Command::parse(read)?, row).ok()?;
        let record = RecordName::derive(&self.tenant, handle);
        codec::open(&verdict.reply.sealed, &record, &self.keys).ok()
    }

    /// What every session has come to, for the checker.
    pub(super) fn rest(&mut self) {
        let names: Vec<String> = self.rows.keys().cloned().collect();
        for name in names {
            if let Some(Entry::Live(record)) = self.stands(&name) {
                let data: Value = serde_json::from_str(record.data.to_json()).unwrap();
                self.observe(What::Rests {
                    session: record.handle.to_text(),
                    marks: marks(&data),
                });
                self.see_listed(&record);
            }
        }
    }

    /// Whether a session that lasts is on its directory's list.
    fn see_listed(&mut self, record: &Record) {
        let span = record.span();
        let now = UnixMillis(self.now);
        let lifetime = Lifetime {
            idle: Seconds(IDLE_S),
            absolute: Seconds(ABSOLUTE_S),
            remember: Seconds(ABSOLUTE_S),
        };
        if self.ordered && !lifetime.has_ended(&span, now.seconds()) {
            let list = r#"{"do":"list","users":null,"after":null,"limit":1000}"#;
            let (answer, _) = self.directory.obey(list, now);
            let (listed, _) = read_list(&answer).unwrap();
            if !listed.iter().any(|one| one.handle == record.handle) {
                let session = record.handle.to_text();
                self.observe(What::Unlisted { session });
            }
        }
    }
}
