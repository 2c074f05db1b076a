//! Decides when an isolate puts which value into Workers KV.
//!
//! KV accepts one write a second per key
//! (<https://developers.cloudflare.com/kv/platform/limits/>) and keeps whichever arrives last. So the
//! queue holds one value per key, the latest, until a put of it is acknowledged or given up. Each caller
//! submits its value, gets a [`Submission`], and drives the key with it: it asks [`WriteQueue::next`] what to do
//! now, does it, and reports with [`WriteQueue::finish`] what became of a put.
//!
//! All drivers of a key drive the same value, from any submitter. A driver may vanish at any moment, as a
//! request does whose client hangs up: the value stays in the queue, the next driver to ask takes over, and
//! its own submission tells it what became of the value.

use std::collections::HashMap;
use std::rc::Rc;

use crate::clock::UnixMillis;
use crate::effect::Write;
use crate::rule::{Rule, holds};

#[cfg(test)]
mod tests;

/// Minimum time between two puts of one key, in milliseconds.
pub(crate) const SPACING_MS: u64 = 1_000;

/// How long to wait before each attempt at a value, in milliseconds.
const RETRY_DELAYS_MS: [u64; 3] = [0, 1_000, 3_000];
const MAX_RETRY_DELAY_MS: u64 = 3_000;

/// Maximum time a put may take, in milliseconds. Without an outcome by then it counts as failed: storage
/// hangs, or the driver is gone.
pub(crate) const PUT_DEADLINE_MS: u64 = 5_000;

/// Interval at which a driver asks again whether another driver's put has ended, in milliseconds: one whose
/// client waits for the answer, and one that works in the background.
const DURABLE_POLL_MS: u64 = 50;
const BACKGROUND_POLL_MS: u64 = 1_000;

/// Maximum number of keys that are remembered.
const MAX_KEYS: usize = 10_000;

/// Maximum size of all values that are not stored yet, in bytes.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;

/// Time after which a value is given up that no driver has asked about, in milliseconds: the runtime lets a
/// request work on for half a minute at most.
const ABANDONED_AFTER_MS: u64 = 30_000;

/// Time for which an outcome is remembered for drivers that have not asked for it yet, in milliseconds.
const OUTCOME_KEPT_MS: u64 = 5_000;

/// Interval at which what is no longer needed is dropped, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 30_000;

/// The values that one isolate has to store.
#[derive(Debug)]
pub(crate) struct WriteQueue {
    slots: HashMap<String, Slot>,
    max_keys: usize,
    max_pending_bytes: usize,
    /// Number of the last value that was submitted, and of the last attempt that was begun.
    serials: u64,
    attempts: u64,
    /// How many values are not stored yet, and their size.
    pending: usize,
    pending_bytes: usize,
    swept_at: UnixMillis,
    counts: Counts,
}

/// What the queue has to report to the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Values that were replaced by a later one before they were put.
    pub coalesced: u32,
    /// Values that will not be stored, although no later one replaced them.
    pub lost: u32,
}

/// Entitles one caller to drive the value it has submitted, or a later one of the same key.
#[derive(Debug)]
pub(crate) struct Submission {
    key: String,
    /// Number of the submitted value; none if there was no room for it.
    serial: Option<u64>,
    /// How many attempts at this key had failed before.
    failures: u64,
    poll_ms: u64,
}

/// One put that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// What to put.
    pub write: Rc<Write>,
    serial: u64,
    number: u64,
}

/// What a driver has to do now.
#[derive(Debug)]
pub(crate) enum Next {
    /// Put this value, then report with [`WriteQueue::finish`].
    Put(Attempt),
    /// Wait for so many milliseconds, then ask again.
    Wait(u64),
    /// Nothing more: the value was stored, or was lost.
    Done(Outcome),
}

/// What became of a submitted value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Storage has acknowledged it, or a later value of the same key.
    Stored,
    /// Every attempt failed, or the queue was full.
    Lost,
}

/// One key.
#[derive(Debug, Default)]
struct Slot {
    /// The latest value, while it is neither stored nor lost.
    pending: Option<Pending>,
    /// When the last attempt began.
    put_at: Option<UnixMillis>,
    /// Number of the latest value that was acknowledged.
    stored: u64,
    /// How many attempts have failed.
    failures: u64,
    /// When a driver last asked.
    asked_at: UnixMillis,
}

#[derive(Debug)]
struct Pending {
    write: Rc<Write>,
    serial: u64,
    /// How many attempts at this value were begun.
    attempts: usize,
    /// Number of the attempt that is under way.
    in_flight: Option<u64>,
    /// When the next attempt may begin, as far as earlier ones of this value count.
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
            counts: Counts::default(),
        }
    }
}

impl WriteQueue {
    /// Queues a value that is stored in the background. It replaces an earlier one of its key.
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
            self.counts.lost += 1;
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
            self.settle(&replaced);
            self.counts.coalesced += u32::from(replaced.attempts == 0);
        }
        Submission {
            key,
            serial: Some(self.serials),
            failures,
            poll_ms,
        }
    }

    /// Decides what the holder of this submission has to do now.
    pub(crate) fn next(&mut self, submission: &Submission, now: UnixMillis) -> Next {
        let (Some(serial), Some(slot)) = (submission.serial, self.slots.get_mut(&submission.key))
        else {
            return Next::Done(Outcome::Lost);
        };
        slot.asked_at = now;
        // A clock that was set back holds up nobody.
        slot.put_at = slot.put_at.map(|at| at.min(now));
        let expired = slot.expire(now);
        if let Some(lost) = &expired {
            self.counts.lost += 1;
            self.settle(lost);
        }
        let Some(slot) = self.slots.get_mut(&submission.key) else {
            return Next::Done(Outcome::Lost);
        };
        if slot.stored >= serial {
            return Next::Done(Outcome::Stored);
        }
        // Whoever submits a later value drives it by itself.
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

    /// Takes note whether storage has acknowledged a put.
    pub(crate) fn finish(&mut self, attempt: &Attempt, acknowledged: bool, now: UnixMillis) {
        let Some(slot) = self.slots.get_mut(&attempt.write.key) else {
            return;
        };
        let settled = if acknowledged {
            slot.stored = slot.stored.max(attempt.serial);
            slot.pending
                .take_if(|pending| pending.serial == attempt.serial || !holds(Rule::QueueSerial))
        } else {
            let lost = slot.fail(attempt.number, now);
            self.counts.lost += u32::from(lost.is_some());
            lost
        };
        if let Some(settled) = settled {
            self.settle(&settled);
        }
    }

    /// A value waits no longer.
    fn settle(&mut self, value: &Pending) {
        self.pending -= 1;
        self.pending_bytes -= value.write.value.len();
    }

    /// Returns what happened since the last call.
    pub(crate) fn take_counts(&mut self) -> Counts {
        core::mem::take(&mut self.counts)
    }

    /// Whether one more value can be held; drops what is no longer needed.
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
            // Forgetting when a key was put costs a retry at worst.
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
            counts,
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
                    counts.lost += 1;
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
    /// Counts an attempt as failed that has no outcome in time. Returns the value if it is lost.
    fn expire(&mut self, now: UnixMillis) -> Option<Pending> {
        let number = self.pending.as_ref()?.in_flight?;
        let is_late = now.millis_since(self.put_at?) >= PUT_DEADLINE_MS && holds(Rule::PutDeadline);
        is_late.then(|| self.fail(number, now)).flatten()
    }

    /// Counts an attempt as failed, unless another has begun since. Returns the value if it is lost.
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
