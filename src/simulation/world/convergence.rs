//! Checks the final state of a world.

use super::*;
use crate::session::record::Record;
use crate::session_object::sealed_in;
use crate::store::session_index::read_list;

impl World {
    /// Returns whether an object has nothing left to do except to forget.
    pub(super) fn is_done(&self, name: &str) -> bool {
        let (tenant, handle) = parse_object_name(name).unwrap();
        let row = self.objects[name].row.as_deref();
        let one_day = UnixMillis(self.now + 200 * 86_400_000);
        row.is_none_or(|row| {
            let next = outbox::next(&tenant, handle, row, one_day);
            matches!(next, Ok((OutboxItem::Forget, _)))
        })
    }

    /// Records the final state of every session, for the checker.
    pub(super) fn check_convergence(&mut self) {
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
            self.see_converged(&name);
            if let Some(Entry::Live(record)) = self.stored_entry(&name) {
                let data: Value = serde_json::from_str(record.data.to_json()).unwrap();
                self.observe(What::Rests {
                    session: record.handle.to_text(),
                    marks: marks(&data),
                });
                self.see_listed(&record);
                let lasts = !self
                    .lifetime()
                    .has_ended(&record.span(), UnixMillis(self.now).seconds());
                if let Some(identity) = record.identity.filter(|_| lasts) {
                    *users.entry(identity.user).or_default() += 1;
                }
            }
        }
        // After a failed call a surplus session lasts until the next one is listed.
        let is_sure = self.rates.calls == 0 && self.rates.deaths == 0 && self.rates.skew_ms == 0;
        for (session, count) in users {
            if self.ordered && is_sure && count > MAX_PER_USER {
                let rule = "a user has more sessions than they may";
                self.observe(What::Broken { rule, session });
            }
        }
    }

    /// Checks that a live session is on its directory's list.
    fn see_listed(&mut self, record: &Record) {
        let span = record.span();
        let now = UnixMillis(self.now);
        if self.ordered && !self.lifetime().has_ended(&span, now.seconds()) {
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

    /// Checks that namespace and directory agree with an object.
    fn see_converged(&mut self, name: &str) {
        let Some(row) = self.objects[name].row.clone().filter(|_| self.ordered) else {
            return;
        };
        let (tenant, handle) = parse_object_name(name).unwrap();
        let record = RecordName::derive(&tenant, handle);
        if self.namespace.latest(record.as_str()) != Some(sealed_in(&row).as_slice()) {
            let rule = "the namespace has another record in the end";
            self.broken(rule, name.to_owned());
        }
        let is_ended = matches!(self.stored_entry(name), Some(Entry::Ended { .. }));
        if is_ended && self.directory.is_listed(&handle.to_text()) {
            self.broken(
                "a session that was ended is listed in the end",
                name.to_owned(),
            );
        }
    }

    /// Advances the time until everything has expired and must be deleted.
    pub(super) fn expire_all(&mut self) {
        self.rates = FaultRates {
            reads: 0,
            writes: 0,
            calls: 0,
            deaths: 0,
            ..self.rates
        };
        self.horizon_ms = u64::MAX;
        let alarms = self.objects.iter();
        let alarms: Vec<(String, u64)> = alarms
            .filter_map(|(name, object)| Some((name.clone(), object.alarm?)))
            .collect();
        for (name, at) in alarms {
            self.schedule_alarm(&name, at);
        }
        self.run_events();
        let remaining: Vec<String> = self
            .objects
            .iter()
            .filter(|(_, object)| object.row.is_some() || object.alarm.is_some())
            .map(|(name, _)| name.clone())
            .collect();
        for what in remaining {
            self.observe(What::Remains { what });
        }
        self.now += 70 * 86_400_000;
        self.direct(r#"{"do":"feed","since":0}"#);
        if !self.directory.is_empty() {
            let what = "a row of the tenant".to_owned();
            self.observe(What::Remains { what });
        }
    }
}
