//! Simulates writes of isolates, by the shipped rules, and of objects.

use super::*;
use crate::store::write_queue::{Attempt, Next, Outcome, PUT_DEADLINE_MS, Submission};

/// Number of values a task waits for, and whether all finished ones are stored.
pub(super) struct Storing {
    left: usize,
    acknowledged: bool,
}

/// Driver of a value in an isolate.
pub(super) struct Writer {
    pub(super) task: u64,
    pub(super) place: usize,
    submission: Submission,
    /// Number of the value.
    number: u64,
    is_durable: bool,
    /// Number of the value being put.
    putting: u64,
    /// Attempt that waits for a read.
    pub(super) merging: Option<Attempt>,
}

impl World {
    /// Stores the values a task waits for.
    pub(super) fn store(&mut self, task: u64, place: usize) {
        let writes = self.isolates[place].gateway.sessions.take_writes();
        let storing = Storing {
            left: writes.len(),
            acknowledged: true,
        };
        if writes.is_empty() {
            let answer = Reply::Written(true);
            return self.schedule(5, Event::Answer { task, answer });
        }
        self.tasks.get_mut(&task).unwrap().storing = Some(storing);
        self.submit(task, place, writes, true);
    }

    /// Stores values in the background.
    pub(super) fn store_later(&mut self, task: u64, place: usize) {
        let writes = self.isolates[place].gateway.sessions.take_writes();
        self.submit(task, place, writes, false);
    }

    fn submit(&mut self, task: u64, place: usize, writes: Vec<Write>, is_durable: bool) {
        for write in writes {
            self.next_value += 1;
            let number = self.next_value;
            let isolate = self.isolates[place].number;
            let value = (isolate, write.key.clone(), write.value.clone());
            self.values.insert(value, number);
            let key = write.key.clone();
            self.see_settled(place, &key);
            let driver = self.new_driver();
            self.observe(What::Submitted {
                key,
                isolate,
                number,
                driver,
            });
            let queue = &mut self.isolates[place].queue;
            let now = UnixMillis(self.now);
            let submission = match is_durable {
                true => queue.submit_durable(write, now),
                false => queue.submit(write, now),
            };
            let writer = Writer {
                task,
                place,
                submission,
                number,
                is_durable,
                putting: number,
                merging: None,
            };
            self.writers.insert(driver, writer);
            // Background work may be cut off.
            if !is_durable && self.chance(self.rates.cancels * 2) {
                self.schedule(3_000, Event::CutOff { driver });
            }
            self.drive_write(driver);
        }
    }

    /// Lets the driver of a value continue.
    pub(super) fn drive_write(&mut self, driver: u64) {
        let Some(writer) = self.writers.get(&driver) else {
            return;
        };
        let (place, task, is_durable) = (writer.place, writer.task, writer.is_durable);
        let writer = &self.writers[&driver];
        let now = UnixMillis(self.now);
        let next = self.isolates[place].queue.next(&writer.submission, now);
        self.report_lost(place);
        if !matches!(next, Next::Done(_)) {
            self.observe(What::Drives { driver });
        }
        match next {
            Next::Wait(ms) => {
                let late = self.below(5);
                self.schedule_at(self.now + ms + late, Event::Write { driver });
            }
            Next::Put(attempt) => {
                let key = attempt.write.key.clone();
                if self.reads_first(place, &key) {
                    self.writers.get_mut(&driver).unwrap().merging = Some(attempt);
                    self.ask(task, place, Need::read(&key), Some(driver));
                } else {
                    self.begin_put(driver, attempt, None);
                }
            }
            Next::Done(outcome) => {
                self.writers.remove(&driver);
                if is_durable {
                    self.stored(task, outcome);
                }
            }
        }
    }

    /// Begins a put of an attempt's value, or of another value in its place.
    pub(super) fn begin_put(&mut self, driver: u64, attempt: Attempt, instead: Option<&Write>) {
        let writer = self.writers.get_mut(&driver).unwrap();
        let isolate = self.isolates[writer.place].number;
        let queued = &attempt.write;
        let value = (isolate, queued.key.clone(), queued.value.clone());
        let number = self.values[&value];
        writer.putting = number;
        let write = instead.unwrap_or(queued);
        let value = (isolate, write.key.clone(), write.value.clone());
        self.values.insert(value, number);
        let acknowledged = self.put(isolate, write);
        let is_out = self.is_out();
        let is_slow = self.chance(self.rates.writes) || (is_out && self.chance(300));
        let takes = self.below(if is_slow { 7_000 } else { 60 });
        let put = Event::Put {
            driver,
            attempt,
            acknowledged: acknowledged && takes < PUT_DEADLINE_MS,
        };
        self.schedule_at(self.now + takes.min(PUT_DEADLINE_MS), put);
        if is_slow && self.chance(self.rates.cancels * 20) {
            self.schedule(takes, Event::CutOff { driver });
        }
    }

    /// Cuts a driver off, even during a put.
    pub(super) fn cut_off(&mut self, driver: u64) {
        match self.writers.get(&driver) {
            Some(writer) if writer.is_durable => self.cancel(writer.task),
            Some(_) => self.cancel_writer(driver),
            None => {}
        }
    }

    /// Delivers the outcome of a put to its driver.
    pub(super) fn put_done(&mut self, driver: u64, attempt: &Attempt, mut acknowledged: bool) {
        let Some(writer) = self.writers.get(&driver) else {
            return;
        };
        let place = writer.place;
        let now = UnixMillis(self.now);
        let number = writer.putting;
        if acknowledged {
            acknowledged = self.acknowledge(place, &attempt.write);
        }
        let Isolate {
            queue,
            number: isolate,
            ..
        } = &mut self.isolates[place];
        let isolate = *isolate;
        let key = attempt.write.key.clone();
        queue.finish(attempt, acknowledged, now);
        self.observe(What::PutDone {
            key,
            isolate,
            number,
            acknowledged,
        });
        self.report_lost(place);
        self.drive_write(driver);
    }

    fn report_lost(&mut self, place: usize) {
        let Isolate {
            queue,
            gateway,
            number,
            ..
        } = &mut self.isolates[place];
        let isolate = *number;
        let lost = queue.take_report().lost;
        for write in &lost {
            let unstored = &mut gateway.sessions.write_behind;
            unstored.lost(&write.key, &write.value);
        }
        if !lost.is_empty() {
            self.observe(What::Lost { isolate });
        }
    }

    fn stored(&mut self, number: u64, outcome: Outcome) {
        let task = self.tasks.get_mut(&number).unwrap();
        let storing = task.storing.as_mut().unwrap();
        storing.left -= 1;
        storing.acknowledged &= outcome == Outcome::Stored;
        if storing.left == 0 {
            let answer = Reply::Written(storing.acknowledged);
            task.storing = None;
            self.schedule(
                5,
                Event::Answer {
                    task: number,
                    answer,
                },
            );
        }
    }

    /// Removes a driver.
    pub(super) fn cancel_writer(&mut self, driver: u64) {
        let writer = self.writers.remove(&driver).unwrap();
        let number = writer.number;
        self.observe(What::Cancelled { number });
    }

    /// Returns whether storage takes no writes now.
    fn is_out(&self) -> bool {
        self.outage.0 <= self.now && self.now < self.outage.1
    }

    /// Lets a put take effect unless it fails; half of the failed puts take effect.
    pub(super) fn put(&mut self, writer: u64, write: &Write) -> bool {
        let key = write.key.clone();
        let value = (writer, key.clone(), write.value.clone());
        let number = self.values.get(&value).copied();
        self.observe(What::Put {
            key,
            writer,
            number,
        });
        let is_out = self.is_out();
        let fails = self.chance(self.rates.writes) || is_out;
        if !fails || (!is_out && self.chance(500)) {
            let value = write.value.clone();
            self.namespace
                .put(&write.key, value, self.now, &mut self.random);
        }
        !fails
    }
}
