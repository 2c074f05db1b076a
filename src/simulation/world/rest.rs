//! What everything has come to in the end.

use super::*;

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
            }
        }
    }
}
