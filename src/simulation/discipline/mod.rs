//! Checks that isolates respect the limits on calls and writes under any fault:
//!
//! | | |
//! | --- | --- |
//! | P7 | a key is put once a second at most |
//! | P8 | an isolate puts the latest value it has, and never an older one after it |
//! | P9 | the last value is put, unless it is reported as lost or its driver was cut off |
//! | P10 | after three consecutive failed reads, reads pause for a second, and then one probes |
//! | P11 | a call in flight is not repeated within 300 ms |
//! | P12 | a call is tried three times at most, after a delay, and not at an overloaded object |
//! | P13 | every request ends, and then nothing more happens |
//! | P14 | a driver of a value sees three failed attempts at most |
//! | P15 | a value is not put again while a put of it is in progress |
//! | P16 | no caller follows a call that has ended |
//! | P17 | with KV alone a merged value has the changes confirmed before, and all that a later version showed before |
//! | P18 | with KV alone no merged value is put after storage showed the end of its session |

mod merging;

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Observation, Violation, What};
use crate::store::retry::Cause;
use crate::store::write_queue::PUT_DEADLINE_MS;

pub(crate) fn check(history: &[Observation]) -> Vec<Violation> {
    let mut checker = Checker::default();
    for Observation { at, what } in history {
        checker.take(*at, what);
    }
    checker.end();
    checker.violations
}

#[derive(Default)]
struct Checker {
    /// Time of the last put, by writer and key.
    puts: BTreeMap<(u64, String), u64>,
    /// Latest value and last put value, by isolate and key.
    values: BTreeMap<(u64, String), (u64, Option<u64>)>,
    /// Values with a put in progress, and its begin.
    under_way: BTreeMap<(u64, String), (u64, u64)>,
    /// Value and number of failed attempts, by driver.
    drivers: BTreeMap<u64, (u64, String, u32)>,
    /// Drivers whose call has ended.
    answered: BTreeSet<u64>,
    /// Isolates that died or reported a loss; values whose driver was cut off.
    excused: BTreeSet<u64>,
    cancelled: BTreeSet<u64>,
    reads: BTreeMap<u64, Reads>,
    /// Time and driver of each call in flight, by isolate and call.
    asked: BTreeMap<(u64, String), (u64, u64)>,
    /// Time and cause of the last failed attempt, by driver.
    failed: BTreeMap<u64, (u64, Cause)>,
    merging: merging::Merging,
    violations: Vec<Violation>,
}

/// Reads of an isolate.
#[derive(Default)]
struct Reads {
    failures: u32,
    /// Time of the last failure that counts.
    since: u64,
    /// Time and driver of the last read after three failures.
    probe: Option<(u64, u64)>,
    /// Drivers of all such reads.
    probes: BTreeSet<u64>,
}

impl Reads {
    fn hear(&mut self, at: u64, driver: u64, failed: bool) {
        let is_probe = self.probe.is_some_and(|(_, by)| by == driver);
        // A success counts from any read that began after the failures.
        let is_news = is_probe || (!failed && self.probes.contains(&driver));
        if self.failures >= 3 && !is_news {
            // The read began before, or was replaced.
            return;
        }
        self.probe = None;
        if failed {
            self.failures += 1;
            self.since = at;
        } else {
            self.failures = 0;
        }
    }
}

impl Checker {
    fn fault(&mut self, rule: &'static str, what: String) {
        self.violations.push(Violation(rule, what));
    }

    fn take(&mut self, at: u64, what: &What) {
        self.violations.extend(self.merging.take(at, what));
        match what {
            What::Put {
                key,
                writer,
                number,
            } => self.put(at, *writer, key, *number),
            What::Submitted {
                key,
                isolate,
                number,
                driver,
            } => {
                let value = self.values.entry((*isolate, key.clone())).or_default();
                value.0 = *number;
                self.drivers.insert(*driver, (*isolate, key.clone(), 0));
            }
            What::PutDone {
                key,
                isolate,
                number,
                acknowledged,
            } => self.put_done(*isolate, key, *number, *acknowledged),
            What::Drives { driver } => {
                let failures = self.drivers.get(driver).map_or(0, |one| one.2);
                if failures >= 3 {
                    let what = format!("{driver} waits after {failures} failures, at {at}");
                    self.fault("P14", what);
                }
            }
            What::Follows { leader, question } if self.answered.contains(leader) => {
                let what = format!("a driver follows {question} of {leader}, at {at}");
                self.fault("P16", what);
            }
            What::Cancelled { number } => {
                self.cancelled.insert(*number);
            }
            What::Lost { isolate } | What::Died { isolate } => {
                self.excused.insert(*isolate);
            }
            What::Asked {
                isolate,
                driver,
                attempt,
                question,
                is_read,
            } => {
                if *is_read {
                    self.read(at, *isolate, *driver);
                }
                match attempt {
                    1 => self.ask(at, *isolate, *driver, question),
                    _ => self.ask_again(at, *driver, *attempt),
                }
            }
            What::Heard {
                isolate,
                driver,
                is_read,
                failed,
            } => {
                if let Some(cause) = failed {
                    self.failed.insert(*driver, (at, *cause));
                }
                if *is_read {
                    let reads = self.reads.entry(*isolate).or_default();
                    reads.hear(at, *driver, failed.is_some());
                }
            }
            What::Answered {
                isolate,
                driver,
                question,
            } => {
                self.answered.insert(*driver);
                let question = (*isolate, question.clone());
                if self
                    .asked
                    .get(&question)
                    .is_some_and(|(_, by)| by == driver)
                {
                    self.asked.remove(&question);
                }
            }
            What::NeverRests => self.fault("P13", format!("it never comes to rest, at {at}")),
            What::Hangs { browser } => self.fault("P13", format!("a request of {browser} hangs")),
            _ => {}
        }
    }

    fn put(&mut self, at: u64, writer: u64, key: &str, number: Option<u64>) {
        let place = (writer, key.to_owned());
        let last = self.puts.insert(place.clone(), at);
        if last.is_some_and(|last| at - last < 1_000) {
            self.fault("P7", format!("{key} was put twice in a second, at {at}"));
        }
        if let Some(number) = number {
            let before = self.under_way.insert(place.clone(), (number, at));
            let is_late = |since: u64| at >= since + PUT_DEADLINE_MS;
            if before.is_some_and(|(other, since)| other == number && !is_late(since)) {
                let what = format!("{key} was put, {number}, while it was, at {at}");
                self.fault("P15", what);
            }
        }
        if let (Some(number), Some((latest, put))) = (number, self.values.get_mut(&place)) {
            *put = Some(number);
            if number != *latest {
                let what = format!("{key} was put, {number} instead of {latest}, at {at}");
                self.fault("P8", what);
            }
        }
    }

    fn put_done(&mut self, isolate: u64, key: &str, number: u64, acknowledged: bool) {
        let place = (isolate, key.to_owned());
        self.under_way.remove(&place);
        let is_latest = self.values.get(&place).is_some_and(|one| one.0 == number);
        if acknowledged || !is_latest {
            return;
        }
        for (_, of, failures) in self.drivers.values_mut().filter(|one| one.0 == isolate) {
            *failures += u32::from(of == key);
        }
    }

    fn read(&mut self, at: u64, isolate: u64, driver: u64) {
        let reads = self.reads.entry(isolate).or_default();
        if reads.failures < 3 {
            return;
        }
        let is_early = at < reads.since + 1_000;
        let is_second = reads.probe.is_some_and(|(begun, _)| at < begun + 1_000);
        reads.probe = Some((at, driver));
        reads.probes.insert(driver);
        if is_early || is_second {
            self.fault(
                "P10",
                format!("{isolate} read while storage failed, at {at}"),
            );
        }
    }

    fn ask(&mut self, at: u64, isolate: u64, driver: u64, question: &str) {
        let place = (isolate, question.to_owned());
        let last = self.asked.insert(place, (at, driver));
        if last.is_some_and(|(last, _)| at < last + 300) {
            self.fault("P11", format!("{isolate} asked {question} twice, at {at}"));
        }
    }

    fn ask_again(&mut self, at: u64, driver: u64, attempt: u32) {
        let is_due = match self.failed.get(&driver) {
            Some((failed, Cause::Other)) => at >= failed + 50,
            Some((_, Cause::Overloaded)) | None => false,
        };
        if attempt > 3 || !is_due {
            self.fault("P12", format!("attempt {attempt} of {driver}, at {at}"));
        }
    }

    fn end(&mut self) {
        for ((isolate, key), (latest, put)) in core::mem::take(&mut self.values) {
            let is_excused = self.excused.contains(&isolate) || self.cancelled.contains(&latest);
            if put != Some(latest) && !is_excused {
                let what = format!("{key} was put as {put:?}, the last was {latest}");
                self.fault("P9", what);
            }
        }
    }
}

#[cfg(test)]
mod tests;
