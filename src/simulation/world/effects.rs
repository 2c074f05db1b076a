//! What isolates and objects ask of the outside, and what becomes of it.

use super::*;

impl World {
    pub(super) fn take_effect(
        &mut self,
        task: u64,
        need: Need,
        writes: Vec<Write>,
        asked: u64,
        attempt: u32,
    ) {
        let Some((place, age)) = self.tasks.get(&task).map(|task| (task.isolate, task.age)) else {
            return;
        };
        let location = self.isolates[place].location;
        let answer = match &need {
            Need::Read { key, .. } => {
                let found = if self.chance(self.weather.reads) {
                    Found::Unavailable
                } else {
                    self.namespace.get(location, key, self.now)
                };
                Reply::Found(key.clone(), found, asked)
            }
            Need::List { prefix } => {
                let found = if self.chance(self.weather.reads) {
                    Found::Unavailable
                } else {
                    let names = self.namespace.list(location, prefix, self.now);
                    Found::Bytes(names.join("\n").into_bytes())
                };
                Reply::Found(prefix.clone(), found, asked)
            }
            Need::Call {
                class,
                name,
                command,
                key,
                ..
            } => {
                let fails = self.chance(self.weather.calls);
                let applied = !fails || self.chance(500);
                let reply = applied.then(|| self.call(*class, name, command));
                match reply.flatten().filter(|_| !fails) {
                    Some(bytes) => Reply::Found(key.clone(), Found::Bytes(bytes), asked),
                    None if attempt < 2 => {
                        let again = Event::Effect {
                            task,
                            need,
                            writes,
                            asked,
                            attempt: attempt + 1,
                        };
                        return self.schedule(600, again);
                    }
                    None => Reply::Found(key.clone(), Found::Unavailable, asked),
                }
            }
            Need::Document { key } | Need::Documents { prefix: key } => {
                Reply::Found(key.clone(), Found::Absent, asked)
            }
            Need::Note { key, text } | Need::Fold { key, text } => {
                let noted = Found::Bytes(text.clone().into_bytes());
                Reply::Found(key.clone(), noted, asked)
            }
            // Nobody signs in here.
            Need::Fetch { key, .. }
            | Need::Verify { key, .. }
            | Need::Sign { key, .. }
            | Need::PublicKey { key, .. }
            | Need::CheckPassword { key, .. }
            | Need::HashPassword { key, .. } => {
                Reply::Found(key.clone(), Found::Unavailable, asked)
            }
            Need::Pause { key, .. } => Reply::Found(key.clone(), Found::Absent, asked),
            Need::Keep { .. } | Need::Asset { .. } => Reply::Written(false),
            Need::Limit { key } => Reply::Found(key.clone(), Found::Bytes(b"1".to_vec()), asked),
            Need::Body { .. } => {
                let body = br#"{"everywhere":true}"#.to_vec();
                if let Some(task) = self.tasks.get_mut(&task) {
                    task.answers.set_body(crate::effect::Body::Bytes(body));
                    task.lacking -= 1;
                }
                return self.schedule(5, Event::Go { task });
            }
            Need::Store => {
                // Who has gone writes nothing any more.
                if self.isolates[place].age != age {
                    return;
                }
                if let Some(at) = self.turn(place, &writes) {
                    let later = Event::Effect {
                        task,
                        need,
                        writes,
                        asked,
                        attempt,
                    };
                    return self.schedule_at(at, later);
                }
                let acknowledged = writes.iter().all(|write| self.write(place, write));
                Reply::Written(acknowledged)
            }
        };
        self.schedule(60, Event::Answer { task, answer });
    }

    /// Until when durable writes have to wait for their turn.
    pub(super) fn turn(&mut self, place: usize, writes: &[Write]) -> Option<u64> {
        let isolate = &mut self.isolates[place];
        let mut at = 0;
        for write in writes {
            // An older value must not come after.
            isolate.waiting.remove(&write.key);
            let last = isolate
                .written
                .get(&write.key)
                .map_or(0, |last| last + 1_000);
            at = at.max(last);
        }
        (at > self.now).then_some(at)
    }

    pub(super) fn store_later(&mut self, place: usize) {
        let age = self.isolates[place].age;
        for write in self.isolates[place].gateway.take_writes() {
            let key = write.key.clone();
            self.isolates[place].waiting.insert(key.clone(), write);
            self.schedule(
                20,
                Event::Put {
                    isolate: place,
                    age,
                    key,
                },
            );
        }
    }

    pub(super) fn put(&mut self, place: usize, age: u64, key: &str) {
        let now = self.now;
        let isolate = &mut self.isolates[place];
        if isolate.age != age || !isolate.waiting.contains_key(key) {
            return;
        }
        let free = isolate.written.get(key).map_or(0, |last| last + 1_000);
        if free > now {
            let key = key.to_owned();
            return self.schedule_at(
                free,
                Event::Put {
                    isolate: place,
                    age,
                    key,
                },
            );
        }
        if let Some(write) = isolate.waiting.remove(key) {
            self.write(place, &write);
        }
    }

    pub(super) fn write(&mut self, writer: usize, write: &Write) -> bool {
        let key = write.key.clone();
        if writer < self.isolates.len() {
            self.isolates[writer].written.insert(key.clone(), self.now);
        }
        // A new isolate in the same place does not know what the one before it wrote.
        let age = self.isolates.get(writer).map_or(0, |isolate| isolate.age);
        let writer = writer * 1_000 + usize::try_from(age).unwrap();
        self.observe(What::Put { key, writer });
        let fails = self.chance(self.weather.writes);
        if !fails || self.chance(500) {
            let value = write.value.clone();
            self.namespace
                .put(&write.key, value, self.now, &mut self.random);
        }
        !fails
    }

    pub(super) fn call(&mut self, class: Class, name: &str, command: &str) -> Option<Vec<u8>> {
        match class {
            Class::Session => self.command(name, command),
            Class::Directory => Some(self.direct(command)),
            Class::Pool | Class::Attempts | Class::Telemetry => None,
        }
    }

    pub(super) fn direct(&mut self, command: &str) -> Vec<u8> {
        if self.planted == Some(Planted::Deaf) && command.contains("\"feed\"") {
            return br#"{"epoch":0,"revoked":[]}"#.to_vec();
        }
        if self.chance(self.weather.deaths) {
            self.directory.restart();
        }
        let mut command = command.to_owned();
        if self.planted == Some(Planted::Tidy) && command.contains("\"list-in\"") {
            let mut short: Value = serde_json::from_str(&command).unwrap();
            short["until"] = json!(self.now / 1000 + 1);
            command = short.to_string();
        }
        let (answer, surplus) = self.directory.obey(&command, UnixMillis(self.now));
        for one in surplus {
            self.schedule(30, Event::Surplus(one));
        }
        answer
    }

    /// Ends a session that is one too many for its user. Whoever has it may find it over from then on.
    pub(super) fn end_surplus(&mut self, surplus: &Surplus) {
        let fails = self.chance(self.weather.calls);
        if fails && !self.chance(500) {
            return;
        }
        for browser in 0..self.browsers.len() {
            let session = Some(surplus.session.clone());
            self.observe(What::Ending { browser, session });
        }
        let name = format!("{}/{}", self.tenant, surplus.session);
        let reply = self.command(&name, &surplus.command);
        let reply = reply.and_then(|reply| crate::ledger::command::Reply::parse(&reply));
        if reply.is_some_and(|reply| reply.is == Is::Ended && !reply.unannounced) {
            let session = surplus.session.clone();
            self.observe(What::Over { session });
        }
    }

    pub(super) fn command(&mut self, name: &str, command: &str) -> Option<Vec<u8>> {
        let (tenant, handle) = parse_object_name(name)?;
        let command = Command::parse(command)?;
        let mut random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        let mut ledger = Ledger {
            tenant: &tenant,
            handle,
            keys: &self.keys,
            random: &mut random,
            now: UnixMillis(self.now),
        };
        let mut row = self.rows.get(name).map(Vec::as_slice);
        let begins = matches!(&command.order, Order::Change(changing) if changing.begin.is_some());
        if self.planted == Some(Planted::Amnesia) && begins {
            row = None;
        }
        let verdict = ledger.command(&command, row).ok()?;
        let mut reply = verdict.reply;
        if let Some(row) = verdict.row {
            let forgets = self.planted == Some(Planted::Forgets) && self.chance(100);
            if !forgets {
                self.rows.insert(name.to_owned(), row);
            }
            if verdict.wait && !forgets {
                // The announcement, which the answer waits for.
                reply.unannounced = !self.errand(name);
                assert!(matches!(reply.is, Is::Ended | Is::Live));
            }
            let name = name.to_owned();
            self.schedule(30, Event::Errand { name });
        }
        Some(reply.to_bytes())
    }

    pub(super) fn run_errand(&mut self, name: &str) {
        if self.errand(name) {
            let name = name.to_owned();
            self.schedule(50, Event::Errand { name });
        }
    }

    /// Runs an object's next errand; whether it is done and there may be more. The object may be
    /// evicted before it knows that it is done.
    pub(super) fn errand(&mut self, name: &str) -> bool {
        let (tenant, handle) = parse_object_name(name).unwrap();
        let Some(row) = self.rows.get(name).cloned() else {
            return false;
        };
        let now = UnixMillis(self.now);
        let (errand, running) = errand::next(&tenant, handle, &row, now).unwrap();
        let fails = self.chance(self.weather.calls);
        let applied = !fails || self.chance(500);
        let done = match errand {
            Errand::Sleep(until) => {
                // Beyond that nothing more happens in a run.
                if until.0 < self.now + 120_000 {
                    let name = name.to_owned();
                    self.schedule_at(until.0, Event::Errand { name });
                }
                return false;
            }
            Errand::Forget => {
                self.rows.remove(name);
                return false;
            }
            Errand::Write(write) => self.write(usize::MAX / 2_000, &write),
            Errand::Directory(command) => {
                if applied {
                    self.direct(&command);
                }
                !fails
            }
        };
        if self.chance(self.weather.deaths) {
            // The alarm takes it up again.
            let resumed = errand::resumed(&row, now).unwrap();
            self.rows.insert(name.to_owned(), resumed);
            let name = name.to_owned();
            self.schedule_at(self.now + 3_000, Event::Errand { name });
            return false;
        }
        let after = errand::done(&row, running.unwrap(), done, now).unwrap();
        self.rows.insert(name.to_owned(), after);
        if !done {
            let name = name.to_owned();
            self.schedule_at(self.now + 1_000, Event::Errand { name });
        }
        done
    }
}
