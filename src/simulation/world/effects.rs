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
                match class {
                    Class::Session => {
                        let (name, command) = (name.clone(), command.clone());
                        let caller = Caller::Task(Box::new(Asking {
                            task,
                            need,
                            asked,
                            attempt,
                            is_lost: fails,
                        }));
                        return if applied {
                            self.call(caller, &name, &command);
                        } else {
                            self.unanswered(caller);
                        };
                    }
                    Class::Directory => {
                        let answer = applied.then(|| self.direct(command));
                        match answer.filter(|_| !fails) {
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
                    Class::Pool | Class::Attempts | Class::Telemetry => {
                        Reply::Found(key.clone(), Found::Unavailable, asked)
                    }
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
            Need::Keep { .. } | Need::Asset { .. } | Need::ConsoleFile { .. } => {
                Reply::Written(false)
            }
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
        let tenant = self.tenant.as_str();
        let now = UnixMillis(self.now);
        let (answer, surplus) = self.directory.command(tenant, &command, now);
        for one in surplus {
            self.schedule(30, Event::Surplus(one));
        }
        answer
    }
}
