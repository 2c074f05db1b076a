//! Checks that isolates read and write no more often than allowed, whatever went wrong:
//!
//! | | |
//! | --- | --- |
//! | P7 | a key is put once a second at most |
//! | P8 | an isolate puts the latest value it has, and never an older one after it |
//! | P9 | the last value is put, unless it is reported as lost or whoever was to do so was cut off |
//! | P10 | after three failed reads in a row nobody reads for a second, and then one does |
//! | P11 | what is being asked is not asked again within 300 ms |
//! | P12 | a call is tried three times at most, not at once, and not if the object has too much to do |
//! | P13 | every request has an answer in the end |

use std::collections::{BTreeMap, BTreeSet};

use super::history::{Observation, Violation, What};
use crate::store::retry::Cause;

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
    /// Per writer and key: when it was put last.
    puts: BTreeMap<(u64, String), u64>,
    /// Per isolate and key: the latest value, and the one that was put last.
    values: BTreeMap<(u64, String), (u64, Option<u64>)>,
    /// Isolates that died, or reported a loss; values whose driver was cut off.
    excused: BTreeSet<u64>,
    cancelled: BTreeSet<u64>,
    reads: BTreeMap<u64, Reads>,
    /// Per isolate and question: when it was asked last, if it is not answered.
    asked: BTreeMap<(u64, String), u64>,
    /// Per driver: when its last attempt failed, and how.
    failed: BTreeMap<u64, (u64, Cause)>,
    violations: Vec<Violation>,
}

/// An isolate's reads.
#[derive(Default)]
struct Reads {
    failures: u32,
    /// When the last one failed that counts.
    since: u64,
    /// When the last one was begun after three had failed, and by whom.
    probe: Option<(u64, u64)>,
}

impl Reads {
    fn hear(&mut self, at: u64, driver: u64, failed: bool) {
        let is_probe = self.probe.is_some_and(|(_, by)| by == driver);
        if self.failures >= 3 && !is_probe {
            // Begun before.
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
            } => {
                let value = self.values.entry((*isolate, key.clone())).or_default();
                value.0 = *number;
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
                    1 => self.ask(at, *isolate, question),
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
            What::Answered { isolate, question } => {
                self.asked.remove(&(*isolate, question.clone()));
            }
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
        if let (Some(number), Some((latest, put))) = (number, self.values.get_mut(&place)) {
            *put = Some(number);
            if number != *latest {
                let what = format!("{key} was put, {number} instead of {latest}, at {at}");
                self.fault("P8", what);
            }
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
        if is_early || is_second {
            self.fault(
                "P10",
                format!("{isolate} read while storage failed, at {at}"),
            );
        }
    }

    fn ask(&mut self, at: u64, isolate: u64, question: &str) {
        let last = self.asked.insert((isolate, question.to_owned()), at);
        if last.is_some_and(|last| at < last + 300) {
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
mod tests {
    use super::*;

    fn broken(history: Vec<(u64, What)>) -> Vec<&'static str> {
        let history: Vec<Observation> = history
            .into_iter()
            .map(|(at, what)| Observation { at, what })
            .collect();
        check(&history).into_iter().map(|fault| fault.0).collect()
    }

    fn put(number: u64) -> What {
        What::Put {
            key: "k".to_owned(),
            writer: 1,
            number: Some(number),
        }
    }

    fn submitted(number: u64) -> What {
        What::Submitted {
            key: "k".to_owned(),
            isolate: 1,
            number,
        }
    }

    fn asked(driver: u64, attempt: u32) -> What {
        What::Asked {
            isolate: 1,
            driver,
            attempt,
            question: "k".to_owned(),
            is_read: false,
        }
    }

    fn heard(driver: u64, failed: Option<Cause>) -> What {
        What::Heard {
            isolate: 1,
            driver,
            is_read: true,
            failed,
        }
    }

    fn read(driver: u64) -> What {
        What::Asked {
            isolate: 1,
            driver,
            attempt: 1,
            question: driver.to_string(),
            is_read: true,
        }
    }

    #[test]
    fn a_key_that_is_put_too_often_is_caught() {
        assert_eq!(broken(vec![(0, put(1)), (1_000, put(1))]), [""; 0]);
        assert_eq!(broken(vec![(0, put(1)), (999, put(1))]), ["P7"]);
    }

    #[test]
    fn an_older_value_after_a_newer_one_is_caught() {
        let both = |first, second| {
            vec![
                (0, submitted(1)),
                (0, submitted(2)),
                (0, put(first)),
                (1_000, put(second)),
            ]
        };
        assert_eq!(broken(both(2, 2)), [""; 0]);
        assert_eq!(broken(both(2, 1)), ["P8", "P9"]);
    }

    #[test]
    fn a_value_that_is_never_put_is_caught_unless_it_is_excused() {
        assert_eq!(broken(vec![(0, submitted(1))]), ["P9"]);
        for excuse in [
            What::Cancelled { number: 1 },
            What::Lost { isolate: 1 },
            What::Died { isolate: 1 },
        ] {
            assert_eq!(broken(vec![(0, submitted(1)), (1, excuse)]), [""; 0]);
        }
    }

    #[test]
    fn reads_while_storage_fails_are_caught() {
        let outage = |then: Vec<(u64, What)>| {
            let failures = (1..=3).map(|driver| (0, heard(driver, Some(Cause::Other))));
            broken(failures.chain(then).collect())
        };
        let failed = || heard(4, Some(Cause::Other));
        assert_eq!(outage(vec![(999, read(4))]), ["P10"]);
        assert_eq!(outage(vec![(1_000, read(4)), (2_000, read(5))]), [""; 0]);
        assert_eq!(outage(vec![(1_000, read(4)), (1_001, read(5))]), ["P10"]);
        let after = |outcome, at| vec![(1_000, read(4)), (1_100, outcome), (at, read(5))];
        assert_eq!(outage(after(failed(), 2_100)), [""; 0]);
        assert_eq!(outage(after(failed(), 2_099)), ["P10"]);
        assert_eq!(outage(after(heard(4, None), 1_101)), [""; 0]);
        // One from before says nothing new.
        assert_eq!(outage(after(heard(9, None), 1_101)), ["P10"]);
    }

    #[test]
    fn a_question_that_is_asked_twice_is_caught() {
        let answered = What::Answered {
            isolate: 1,
            question: "k".to_owned(),
        };
        let again = |at| vec![(0, asked(1, 1)), (at, asked(2, 1))];
        assert_eq!(broken(again(300)), [""; 0]);
        assert_eq!(broken(again(299)), ["P11"]);
        let after = vec![(0, asked(1, 1)), (1, answered), (1, asked(2, 1))];
        assert_eq!(broken(after), [""; 0]);
    }

    #[test]
    fn a_call_that_is_tried_too_often_or_too_soon_is_caught() {
        let again = |cause, attempt| {
            let failed = What::Heard {
                isolate: 1,
                driver: 1,
                is_read: false,
                failed: Some(cause),
            };
            vec![(0, asked(1, 1)), (10, failed), (60, asked(1, attempt))]
        };
        assert_eq!(broken(again(Cause::Other, 2)), [""; 0]);
        assert_eq!(broken(again(Cause::Other, 4)), ["P12"]);
        assert_eq!(broken(again(Cause::Overloaded, 2)), ["P12"]);
        assert_eq!(broken(vec![(0, asked(1, 1)), (9, asked(1, 2))]), ["P12"]);
    }

    #[test]
    fn a_request_that_hangs_is_caught() {
        assert_eq!(broken(vec![(0, What::Hangs { browser: 0 })]), ["P13"]);
    }
}
