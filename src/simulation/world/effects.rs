//! Performs the needs of requests, with faults.

use super::*;
use crate::store::session_index::message as directory;

impl World {
    /// Begins to perform a need of a task.
    pub(super) fn meet(&mut self, task: u64, place: usize, need: Need) {
        let asked = self.now;
        let mut takes = self.below(60) + self.below(60);
        let answer = match need {
            Need::Read { .. } | Need::List { .. } => return self.ask(task, place, need, None),
            Need::Call { class, ref key, .. } => match class {
                Class::Session | Class::Directory => return self.ask(task, place, need, None),
                Class::Pool | Class::Attempts | Class::Telemetry => {
                    Reply::Found(key.clone(), Found::Unavailable, asked)
                }
            },
            Need::Store => return self.store(task, place),
            Need::Document { key } | Need::Documents { prefix: key } => {
                Reply::Found(key, Found::Absent, asked)
            }
            Need::Note { key, text } | Need::Fold { key, text } => {
                Reply::Found(key, Found::Bytes(text.into_bytes()), asked)
            }
            // Sign-ins have tests of their own.
            Need::Fetch { key, .. }
            | Need::Verify { key, .. }
            | Need::Sign { key, .. }
            | Need::PublicKey { key, .. }
            | Need::CheckPassword { key, .. }
            | Need::HashPassword { key, .. } => Reply::Found(key, Found::Unavailable, asked),
            Need::Pause { key, ms } => {
                takes += u64::from(ms);
                Reply::Found(key, Found::Absent, asked)
            }
            Need::Keep { .. } | Need::Asset { .. } | Need::BuiltFile { .. } => {
                Reply::Written(false)
            }
            Need::Limit { key } => Reply::Found(key, Found::Bytes(b"1".to_vec()), asked),
            Need::Body { .. } => Reply::Body(br#"{"everywhere":true}"#.to_vec()),
        };
        self.schedule_at(self.now + takes, Event::Answer { task, answer });
    }

    pub(super) fn direct(&mut self, command: &str) -> Vec<u8> {
        if self.injected == Some(InjectedBug::NoAnnouncements) && command.contains("\"feed\"") {
            return br#"{"epoch":0,"revoked":[]}"#.to_vec();
        }
        self.restart_directory();
        let mut command = command.to_owned();
        if self.injected == Some(InjectedBug::DropsListings) && command.contains("\"list-in\"") {
            let mut short: Value = serde_json::from_str(&command).unwrap();
            short["until"] = json!(self.now / 1000 + 1);
            command = short.to_string();
        }
        let tenant = self.tenant.as_str();
        let now = UnixMillis(self.now.saturating_add_signed(self.skew_ms));
        let (answer, surplus) = self.directory.command(tenant, &command, now);
        self.see_surplus(&command, &surplus);
        for one in surplus {
            self.schedule(30, Event::Surplus(one));
        }
        answer
    }

    /// Restarts the tenant's object at times, mostly when it is idle, and sometimes sets its clock.
    fn restart_directory(&mut self) {
        let is_idle = self.now >= self.directory_at + 10_000;
        self.directory_at = self.now;
        let evictions = if self.rates.rest_ms > 400_000 {
            50
        } else {
            500
        };
        if (is_idle && self.chance(evictions)) || self.chance(self.rates.deaths) {
            self.directory.restart();
        }
        if self.rates.skew_ms > 0 && self.chance(100) {
            let skew = self.below(2 * self.rates.skew_ms + 1);
            self.skew_ms = skew.cast_signed() - self.rates.skew_ms.cast_signed();
        }
    }

    /// Ends all sessions, as an operator does.
    pub(super) fn end_all(&mut self) {
        self.observe(What::EndingAll);
        let subject = Subject::Tenant.to_text();
        // A release with other limits may be deployed now; revocations by either must hold.
        for longest in [self.lifetime().longest(), Seconds(60)] {
            let subjects = vec![subject.clone()];
            let until = UnixMillis(self.now).seconds() + longest;
            let command = directory::Command::Revoke { subjects, until };
            self.direct(&command.to_text());
        }
        self.over_where(|world, record| world.directory.revoked_since(&subject, record.epoch.0));
    }

    /// Cuts a request off: its client is gone, and its drivers stop.
    pub(super) fn cancel(&mut self, task: u64) {
        self.tasks.remove(&task);
        self.forget_drivers(|of, _| of == task);
    }

    /// Kills an isolate with all its work.
    pub(super) fn die(&mut self, place: usize) {
        let Isolate {
            location,
            age,
            number,
            ..
        } = self.isolates[place];
        self.observe(What::Died { isolate: number });
        self.isolates[place] = self.isolate(location, age + 1);
        self.tasks.retain(|_, task| task.isolate != place);
        self.forget_drivers(|_, of| of == place);
    }

    /// Removes the drivers of some tasks or isolates.
    fn forget_drivers(&mut self, is_gone: impl Fn(u64, usize) -> bool) {
        self.asks.retain(|_, ask| !is_gone(ask.task, ask.place));
        let writers = self.writers.iter();
        let gone = writers.filter(|(_, writer)| is_gone(writer.task, writer.place));
        let gone: Vec<u64> = gone.map(|(driver, _)| *driver).collect();
        for driver in gone {
            self.cancel_writer(driver);
        }
    }
}
