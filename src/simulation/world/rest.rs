//! What everything has come to in the end.

use super::*;
use crate::session::record::Record;
use crate::store::session_index::read_list;

impl World {
    /// The entry that an object has stored.
    pub(super) fn stands(&self, name: &str) -> Option<Entry> {
        let (tenant, handle) = parse_object_name(name)?;
        let now = UnixMillis(self.now);
        let mut random = ChaCha20Rng::seed_from_u64(0);
        let mut context = Context {
            keys: &self.keys,
            random: &mut random,
            now,
        };
        let row = self.objects.get(name)?.row.clone();
        let read = r#"{"idle":1,"absolute":1,"remember":1,"order":{"do":"read"}}"#;
        let mut object = SessionObject::restored(Some(name), row, now);
        let actions = object.command(CallId(0), name, read, &mut context);
        let [Action::Reply(_, reply)] = actions.as_slice() else {
            return None;
        };
        let reply = crate::session_object::command::Reply::parse(reply)?;
        let record = RecordName::derive(&tenant, handle);
        codec::open(&reply.sealed, &record, &self.keys).ok()
    }

    /// What every session has come to, for the checker.
    pub(super) fn rest(&mut self) {
        let hanging: Vec<usize> = self.tasks.values().map(|task| task.browser).collect();
        for browser in hanging {
            self.observe(What::Hangs { browser });
        }
        let names: Vec<String> = self.objects.keys().cloned().collect();
        let mut users: BTreeMap<String, u64> = BTreeMap::new();
        for name in names {
            if !self.is_done(&name) {
                let session = name.clone();
                let rule = "an outbox is left as it is";
                self.observe(What::Broken { rule, session });
            }
            if let Some(Entry::Live(record)) = self.stands(&name) {
                let data: Value = serde_json::from_str(record.data.to_json()).unwrap();
                self.observe(What::Rests {
                    session: record.handle.to_text(),
                    marks: marks(&data),
                });
                self.see_listed(&record);
                let lasts = !lifetime().has_ended(&record.span(), UnixMillis(self.now).seconds());
                if let Some(who) = record.identity.filter(|_| lasts) {
                    *users.entry(who.user).or_default() += 1;
                }
            }
        }
        // Where a call fails, a session too many lasts until the next one is listed.
        let is_sure = self.weather.calls == 0 && self.weather.deaths == 0;
        for (session, count) in users {
            if self.ordered && is_sure && count > MAX_PER_USER {
                let rule = "a user has more sessions than they may";
                self.observe(What::Broken { rule, session });
            }
        }
    }

    /// Whether a session that lasts is on its directory's list.
    fn see_listed(&mut self, record: &Record) {
        let span = record.span();
        let now = UnixMillis(self.now);
        if self.ordered && !lifetime().has_ended(&span, now.seconds()) {
            let list = r#"{"do":"list","users":null,"after":null,"limit":1000}"#;
            let tenant = self.tenant.as_str();
            let (answer, _) = self.directory.command(tenant, list, now);
            let (listed, _) = read_list(&answer).unwrap();
            if !listed.iter().any(|one| one.handle == record.handle) {
                let session = record.handle.to_text();
                self.observe(What::Unlisted { session });
            }
        }
    }
}
