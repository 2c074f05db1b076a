//! Decides when an isolate puts which value into Workers KV.
//!
//! KV accepts one write a second per key (<https://developers.cloudflare.com/kv/platform/limits/>) and keeps the last
//! to arrive. So the queue holds only the latest value per key, until a put of it is acknowledged or given up. Each
//! caller submits its value, gets a [`Submission`], and drives the key with it. It calls [`WriteQueue::next`], performs
//! the step, and reports the outcome of a put to [`WriteQueue::finish`].
//!
//! All drivers of a key drive the same value, from any submitter. A driver may vanish at any moment, as a request does
//! whose client disconnects. The value stays queued, the next driver takes over, and its own submission returns the
//! value's outcome.

use std::collections::HashMap;
use std::rc::Rc;

use crate::clock::UnixMillis;
use crate::effect::Write;
use crate::rule::{Rule, holds};

#[cfg(test)]
mod tests;

/// Minimum interval between two puts of one key, in milliseconds.
pub(crate) const SPACING_MS: u64 = 1_000;

/// Delay before each attempt at a value, in milliseconds.
const RETRY_DELAYS_MS: [u64; 3] = [0, 1_000, 3_000];
const MAX_RETRY_DELAY_MS: u64 = 3_000;

/// Maximum time of a put, in milliseconds. Without an outcome by then it counts as failed: storage hangs, or the driver
/// is gone.
pub(crate) const PUT_DEADLINE_MS: u64 = 5_000;

/// Interval at which a driver checks another driver's put, in milliseconds: one whose client waits, and one in the
/// background.
const DURABLE_POLL_MS: u64 = 50;
const BACKGROUND_POLL_MS: u64 = 1_000;

/// Maximum number of tracked keys.
const MAX_KEYS: usize = 10_000;

/// Maximum bytes of all pending values.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// Time without a driver after which a value is given up, in milliseconds: the runtime ends background work after half
/// a minute.
const ABANDONED_AFTER_MS: u64 = 30_000;

/// Time for which an outcome is kept for drivers, in milliseconds.
const OUTCOME_KEPT_MS: u64 = 5_000;

/// Interval at which unneeded keys are dropped, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 30_000;

/// Pending writes of one isolate.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    slots: HashMap<String, Slot>,
    max_keys: usize,
    max_pending_bytes: usize,
    /// Number of the last submitted value, and of the last attempt.
    serials: u64,
    attempts: u64,
    /// Number of pending values, and their bytes.
    pending: usize,
    pending_bytes: usize,
    swept_at: UnixMillis,
    report: Report,
}

/// Values that were not put, since the last report.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Number of values replaced by a later one before their put.
    pub coalesced: u32,
    /// Values that were lost without a later one.
    pub lost: Vec<Rc<Write>>,
}

/// Right of a caller to drive its submitted value, or a later one of the same key.
#[derive(Debug)]
pub(crate) struct Submission {
    key: String,
    /// Number of the submitted value; `None` if there was no room.
    serial: Option<u64>,
    /// Number of failed attempts at this key before the submission.
    failures: u64,
    poll_ms: u64,
}

/// Put in progress.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Value to put.
    pub write: Rc<Write>,
    serial: u64,
    number: u64,
}

/// Next step of a driver.
#[derive(Debug)]
pub(crate) enum Next {
    /// Put this value, then call [`WriteQueue::finish`].
    Put(Attempt),
    /// Wait this many milliseconds, then call [`WriteQueue::next`] again.
    Wait(u64),
    /// Finished: the value was stored or lost.
    Done(Outcome),
}

/// Outcome of a submitted value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Storage acknowledged it, or a later value of the same key.
    Stored,
    /// Every attempt failed, or the queue was full.
    Lost,
}

/// State of one key.
#[derive(Debug, Default)]
struct Slot {
    /// Latest value, while it is neither stored nor lost.
    pending: Option<Pending>,
    /// Time of the last attempt.
    put_at: Option<UnixMillis>,
    /// Number of the latest acknowledged value.
    stored: u64,
    /// Number of failed attempts.
    failures: u64,
    /// Time of a driver's last step.
    asked_at: UnixMillis,
}

#[derive(Debug)]
struct Pending {
    write: Rc<Write>,
    serial: u64,
    /// Number of attempts at this value.
    attempts: usize,
    /// Number of the attempt in progress.
    in_flight: Option<u64>,
    /// Earliest time of the next attempt, by the retry delays of this value.
    not_before: UnixMillis,
}

impl Default for WriteQueue {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            max_keys: MAX_KEYS,
            max_pending_bytes: MAX_PENDING_BYTES,
            serials: 0,
            attempts: 0,
            pending: 0,
            pending_bytes: 0,
            swept_at: UnixMillis::default(),
            report: Report::default(),
        }
    }
}

impl WriteQueue {
    /// Queues a value for storage in the background. It replaces an earlier one of its key.
    pub(crate) fn submit(&mut self, write: Write, now: UnixMillis) -> Submission {
        self.enqueue(write, BACKGROUND_POLL_MS, now)
    }

    /// Queues a value whose outcome a client waits for. It replaces an earlier one of its key.
    pub(crate) fn submit_durable(&mut self, write: Write, now: UnixMillis) -> Submission {
        self.enqueue(write, DURABLE_POLL_MS, now)
    }

    fn enqueue(&mut self, write: Write, poll_ms: u64, now: UnixMillis) -> Submission {
        let key = write.key.clone();
        if !self.has_room(&write, now) {
            self.report.lost.push(Rc::new(write));
            return Submission {
                key,
                serial: None,
                failures: 0,
                poll_ms,
            };
        }
        self.serials += 1;
        self.pending += 1;
        self.pending_bytes += write.value.len();
        let slot = self.slots.entry(key.clone()).or_default();
        slot.asked_at = now;
        let replaced = slot.pending.replace(Pending {
            write: Rc::new(write),
            serial: self.serials,
            attempts: 0,
            in_flight: None,
            not_before: now,
        });
        let failures = slot.failures;
        if let Some(replaced) = replaced {
            self.remove_from_totals(&replaced);
            self.report.coalesced += u32::from(replaced.attempts == 0);
        }
        Submission {
            key,
            serial: Some(self.serials),
            failures,
            poll_ms,
        }
    }

    /// Decides the next step for the holder of a submission.
    pub(crate) fn next(&mut self, submission: &Submission, now: UnixMillis) -> Next {
        if let Some(slot) = self.slots.get_mut(&submission.key) {
            slot.asked_at = now;
            // A clock that was set back must not delay writes.
            slot.put_at = slot.put_at.map(|at| at.min(now));
        }
        self.expire(&submission.key, now);
        let (Some(serial), Some(slot)) = (submission.serial, self.slots.get_mut(&submission.key))
        else {
            return Next::Done(Outcome::Lost);
        };
        if slot.stored >= serial {
            return Next::Done(Outcome::Stored);
        }
        // The submitter of a later value drives that itself.
        let failures = slot.failures.saturating_sub(submission.failures);
        let is_patient = failures < RETRY_DELAYS_MS.len() as u64 || !holds(Rule::QueuePatience);
        let Some(pending) = slot.pending.as_mut().filter(|_| is_patient) else {
            return Next::Done(Outcome::Lost);
        };
        let since_put = slot.put_at.map_or(u64::MAX, |at| now.millis_since(at));
        if pending.in_flight.is_some() && holds(Rule::OnePut) {
            let left = PUT_DEADLINE_MS.saturating_sub(since_put);
            return Next::Wait(left.clamp(1, submission.poll_ms));
        }
        let latest = UnixMillis(now.0 + MAX_RETRY_DELAY_MS);
        pending.not_before = pending.not_before.min(latest);
        let retry = pending.not_before.millis_since(now);
        let spacing_ms = SPACING_MS * u64::from(holds(Rule::WriteSpacing));
        let wait = spacing_ms.saturating_sub(since_put).max(retry);
        if wait > 0 {
            return Next::Wait(wait);
        }
        self.attempts += 1;
        pending.attempts += 1;
        pending.in_flight = Some(self.attempts);
        slot.put_at = Some(now);
        Next::Put(Attempt {
            write: Rc::clone(&pending.write),
            serial: pending.serial,
            number: self.attempts,
        })
    }

    /// Begins an attempt's put after a read for it, with the latest value of its key. Returns `None` if the attempt took
    /// too long and has failed.
    pub(crate) fn renew(&mut self, attempt: &Attempt, now: UnixMillis) -> Option<Attempt> {
        self.expire(&attempt.write.key, now);
        let slot = self.slots.get_mut(&attempt.write.key)?;
        let pending = slot.pending.as_mut()?;
        if pending.serial != attempt.serial && pending.in_flight.is_none() {
            // It was submitted during the read.
            pending.in_flight = Some(attempt.number);
            pending.attempts += 1;
            self.report.coalesced += 1;
        }
        if pending.in_flight != Some(attempt.number) {
            return None;
        }
        slot.put_at = Some(now);
        Some(Attempt {
            write: Rc::clone(&pending.write),
            serial: pending.serial,
            number: attempt.number,
        })
    }

    /// Records whether storage acknowledged a put.
    pub(crate) fn finish(&mut self, attempt: &Attempt, acknowledged: bool, now: UnixMillis) {
        let Some(slot) = self.slots.get_mut(&attempt.write.key) else {
            return;
        };
        let finished = if acknowledged {
            slot.stored = slot.stored.max(attempt.serial);
            slot.pending
                .take_if(|pending| pending.serial == attempt.serial || !holds(Rule::QueueSerial))
        } else {
            let lost = slot.fail(attempt.number, now);
            let write = lost.as_ref().map(|lost| Rc::clone(&lost.write));
            self.report.lost.extend(write);
            lost
        };
        if let Some(finished) = finished {
            self.remove_from_totals(&finished);
        }
    }

    /// Fails an attempt at a key without an outcome in time.
    fn expire(&mut self, key: &str, now: UnixMillis) {
        let lost = self.slots.get_mut(key).and_then(|slot| slot.expire(now));
        if let Some(lost) = lost {
            self.remove_from_totals(&lost);
            self.report.lost.push(lost.write);
        }
    }

    /// Removes a finished value from the totals.
    fn remove_from_totals(&mut self, value: &Pending) {
        self.pending -= 1;
        self.pending_bytes -= value.write.value.len();
    }

    /// Takes the report since the last call.
    pub(crate) fn take_report(&mut self) -> Report {
        core::mem::take(&mut self.report)
    }

    /// Returns whether one more value fits; drops unneeded keys first.
    fn has_room(&mut self, write: &Write, now: UnixMillis) -> bool {
        let since = now.millis_since(self.swept_at);
        let is_full = |queue: &Self| {
            let slot = queue.slots.get(&write.key);
            let pending = slot.and_then(|slot| slot.pending.as_ref());
            let replaced = pending.map_or(0, |pending| pending.write.value.len());
            let bytes = queue.pending_bytes - replaced + write.value.len();
            bytes > queue.max_pending_bytes
                || (slot.is_none() && queue.slots.len() >= queue.max_keys)
        };
        if since >= SWEEP_INTERVAL_MS || (since >= SPACING_MS && is_full(self)) {
            self.sweep(now);
        }
        if is_full(self) && self.slots.len() > self.pending {
            // Forgetting the time of a key's last put costs at most a retry.
            self.slots.retain(|_, slot| slot.pending.is_some());
        }
        !is_full(self)
    }

    fn sweep(&mut self, now: UnixMillis) {
        self.swept_at = now;
        let Self {
            slots,
            pending,
            pending_bytes,
            report,
            ..
        } = self;
        slots.retain(|_, slot| {
            let idle = now.millis_since(slot.asked_at);
            match &slot.pending {
                None => idle < OUTCOME_KEPT_MS,
                Some(_) if idle < ABANDONED_AFTER_MS => true,
                Some(abandoned) => {
                    *pending -= 1;
                    *pending_bytes -= abandoned.write.value.len();
                    report.lost.push(Rc::clone(&abandoned.write));
                    false
                }
            }
        });
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.slots.len(), self.pending_bytes)
    }
}

impl Slot {
    /// Fails an attempt without an outcome in time. Returns the value if it is lost.
    fn expire(&mut self, now: UnixMillis) -> Option<Pending> {
        let number = self.pending.as_ref()?.in_flight?;
        let is_late = now.millis_since(self.put_at?) >= PUT_DEADLINE_MS && holds(Rule::PutDeadline);
        is_late.then(|| self.fail(number, now)).flatten()
    }

    /// Fails an attempt, unless a later one has begun. Returns the value if it is lost.
    fn fail(&mut self, number: u64, now: UnixMillis) -> Option<Pending> {
        let pending = self.pending.as_mut()?;
        if pending.in_flight != Some(number) {
            return None;
        }
        pending.in_flight = None;
        self.failures += 1;
        match RETRY_DELAYS_MS.get(pending.attempts) {
            Some(delay) => {
                pending.not_before = UnixMillis(now.0 + delay);
                None
            }
            None => self.pending.take(),
        }
    }
}
