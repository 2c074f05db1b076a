//! Drives the queue by many concurrent callers, some of them cancelled, in random orders.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

/// Step of the model.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A caller submits a value for this key.
    Submit { key: u8, durable: bool },
    /// Time passes; drivers whose wait is over continue, in an order selected by the number.
    Pass { ms: u64, order: usize },
    /// A put in progress ends.
    Finish { which: usize, acknowledged: bool },
    /// A driver is cancelled; its put may have reached storage, unreported.
    Cancel { which: usize },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..2_u8, any::<bool>()).prop_map(|(key, durable)| Step::Submit { key, durable }),
        4 => (0..1_500_u64, any::<usize>()).prop_map(|(ms, order)| Step::Pass { ms, order }),
        4 => (any::<usize>(), any::<bool>())
            .prop_map(|(which, acknowledged)| Step::Finish { which, acknowledged }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
    ]
}

struct Driver {
    submission: Submission,
    key: u8,
    serial: u64,
    /// Time of its next step.
    wakes_at: u64,
    put: Option<Attempt>,
    outcome: Option<Outcome>,
    cancelled: bool,
}

impl Driver {
    fn is_at_work(&self) -> bool {
        !self.cancelled && self.outcome.is_none()
    }
}

#[derive(Default)]
struct Key {
    /// Time of the last put, and the number of its value.
    put: Option<(u64, u64)>,
    submitted: u64,
    acknowledged: u64,
}

#[derive(Default)]
struct Model {
    queue: WriteQueue,
    drivers: Vec<Driver>,
    keys: HashMap<u8, Key>,
    now: u64,
    serials: u64,
    lost: usize,
}

impl Model {
    fn submit(&mut self, key: u8, durable: bool) {
        self.serials += 1;
        let value = write(&key.to_string(), &self.serials.to_string());
        let now = at(self.now);
        let submission = if durable {
            self.queue.submit_durable(value, now)
        } else {
            self.queue.submit(value, now)
        };
        self.keys.entry(key).or_default().submitted = self.serials;
        self.drivers.push(Driver {
            submission,
            key,
            serial: self.serials,
            wakes_at: self.now,
            put: None,
            outcome: None,
            cancelled: false,
        });
    }

    /// Continues all drivers whose wait is over.
    fn ask(&mut self, order: usize) {
        let count = self.drivers.len();
        for turn in 0..count {
            let which = (turn + order % count) % count;
            let driver = &mut self.drivers[which];
            if !driver.is_at_work() || driver.put.is_some() || driver.wakes_at > self.now {
                continue;
            }
            match self.queue.next(&driver.submission, at(self.now)) {
                Next::Wait(ms) => {
                    assert!((1..=PUT_DEADLINE_MS).contains(&ms));
                    driver.wakes_at = self.now + ms;
                }
                Next::Put(attempt) => {
                    let serial: u64 = str::from_utf8(&attempt.write.value)
                        .unwrap()
                        .parse()
                        .unwrap();
                    let key = self.keys.get_mut(&driver.key).unwrap();
                    assert_eq!(serial, key.submitted, "not the latest value");
                    if let Some((last, older)) = key.put.replace((self.now, serial)) {
                        assert!(self.now - last >= SPACING_MS, "twice in a second");
                        assert!(older <= serial, "an older value after a newer one");
                    }
                    driver.put = Some(attempt);
                }
                Next::Done(outcome) => {
                    if outcome == Outcome::Stored {
                        let acknowledged = self.keys[&driver.key].acknowledged;
                        assert!(acknowledged >= driver.serial, "reported and not stored");
                    }
                    driver.outcome = Some(outcome);
                }
            }
        }
        self.lost += self.queue.take_report().lost.len();
    }

    fn finish(&mut self, which: usize, acknowledged: bool) {
        let driver = &mut self.drivers[which];
        if driver.cancelled {
            return;
        }
        let Some(attempt) = driver.put.take() else {
            return;
        };
        driver.wakes_at = self.now;
        if acknowledged {
            let serial = str::from_utf8(&attempt.write.value)
                .unwrap()
                .parse()
                .unwrap();
            let key = self.keys.get_mut(&driver.key).unwrap();
            key.acknowledged = key.acknowledged.max(serial);
        }
        self.queue.finish(&attempt, acknowledged, at(self.now));
        self.lost += self.queue.take_report().lost.len();
    }

    fn take(&mut self, step: Step) {
        let count = self.drivers.len();
        match step {
            Step::Submit { key, durable } => self.submit(key, durable),
            Step::Pass { ms, order } => {
                self.now += ms;
                if count > 0 {
                    self.ask(order);
                }
            }
            Step::Finish {
                which,
                acknowledged,
            } => {
                // Prefers a driver with a put in progress.
                let is_busy = |which: &usize| self.drivers[*which].put.is_some();
                let puts: Vec<usize> = (0..count).filter(is_busy).collect();
                if let Some(which) = puts.get(which % puts.len().max(1)) {
                    self.finish(*which, acknowledged);
                }
            }
            Step::Cancel { which } if count > 0 => self.drivers[which % count].cancelled = true,
            Step::Cancel { .. } => {}
        }
    }

    /// Finishes all remaining drivers with a working storage.
    fn rest(&mut self) {
        for _ in 0..200 {
            if !self.drivers.iter().any(Driver::is_at_work) {
                return;
            }
            self.now += 250;
            self.ask(0);
            for which in 0..self.drivers.len() {
                self.finish(which, true);
            }
        }
        panic!("drivers hang");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// No key is put twice in a second, and no older value after a newer one. No lost value is reported as stored, and
    /// every driver finishes. The last value is put last, unless it was reported as lost or all its drivers were
    /// cancelled.
    #[test]
    fn last_submitted_value_is_the_last_one_put(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::default();
        for step in steps {
            model.take(step);
        }
        model.rest();
        for (name, key) in &model.keys {
            // A driver since the last value that was not cancelled.
            let has_carrier = model.drivers.iter().any(|driver| {
                driver.key == *name && !driver.cancelled && driver.serial == key.submitted
            });
            if has_carrier && model.lost == 0 {
                prop_assert_eq!(key.acknowledged, key.submitted);
                prop_assert_eq!(key.put.unwrap().1, key.submitted);
            }
        }
        // Two keys have at most one value each.
        let (keys, bytes) = model.queue.size();
        prop_assert!(keys <= 2 && bytes <= 8, "{} keys, {} bytes", keys, bytes);
    }

    /// Memory stays bounded for any number of keys and unfinished drivers, and every value that is not stored is
    /// reported.
    #[test]
    fn memory_stays_bounded_and_lost_values_are_reported(
        steps in prop::collection::vec((0..400_u64, 0..300_usize, 1..50_usize), 1..40)
    ) {
        let mut queue = small();
        let (mut now, mut submitted, mut lost, mut stored) = (0, 0_usize, 0, 0);
        for (ms, count, driven) in steps {
            now += ms * 100;
            for number in 0..count {
                submitted += 1;
                let submission = queue.submit(write(&submitted.to_string(), "value"), at(now));
                if number.is_multiple_of(driven)
                    && let Next::Put(attempt) = queue.next(&submission, at(now))
                {
                    queue.finish(&attempt, true, at(now));
                    stored += 1;
                }
                let (keys, bytes) = queue.size();
                prop_assert!(keys <= queue.max_keys && bytes <= queue.max_pending_bytes);
            }
            lost += queue.take_report().lost.len();
        }
        now += ABANDONED_AFTER_MS + SWEEP_INTERVAL_MS;
        queue.submit(write("the end", ""), at(now));
        lost += queue.take_report().lost.len();
        prop_assert_eq!(lost + stored, submitted);
        prop_assert_eq!(queue.size(), (1, 0));
    }
}
