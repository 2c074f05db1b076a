//! Decides when an isolate reports its counts, and which batches it sends.
//!
//! The first request after a batch opens a window. When the window closes, all counts since then form one batch. A
//! batch is sent until it is acknowledged; the aggregator counts repeated ones once.

use std::collections::VecDeque;

use super::message::Added;
use crate::clock::UnixMillis;
use crate::message;

/// Default duration of a window (`TELEMETRY_EVERY`), in milliseconds.
const WINDOW_MS: u64 = 5_000;

/// Duration of a window while an operator views the console, in milliseconds. Log lines never wait longer.
const WATCHED_WINDOW_MS: u64 = 1_000;

/// Maximum duration of a window, in milliseconds: the runtime ends background work after half a minute.
const MAX_WINDOW_MS: u64 = 20_000;

/// Time after which a window that was lost with its request no longer blocks the next, in milliseconds.
pub(crate) const WINDOW_LOST_AFTER_MS: u64 = 30_000;

/// Time for which a Durable Object leaves its counts to other reports, in milliseconds: waiting for a window would keep
/// the object awake.
const IDLE_AFTER_MS: u64 = 10_000;

/// Maximum number of unacknowledged batches.
const MAX_UNSENT: usize = 12;

/// Parses `TELEMETRY_EVERY`, the duration of a window in milliseconds. Returns `None` if reports are off.
#[must_use]
pub(crate) fn interval(setting: Option<&str>) -> Option<u64> {
    let every = setting.and_then(|text| text.trim().parse().ok());
    match every.unwrap_or(WINDOW_MS) {
        0 => None,
        every => Some(every.min(MAX_WINDOW_MS)),
    }
}

/// Unacknowledged batch.
struct Unsent {
    number: u64,
    command: String,
}

/// State of an isolate's reports.
#[derive(Default)]
pub(crate) struct Reporter {
    /// Time when the open window was opened.
    opened: Option<UnixMillis>,
    /// Time of the last batch.
    reported: UnixMillis,
    /// Whether an operator views the console, by the aggregator's last answer.
    is_watched: bool,
    unsent: VecDeque<Unsent>,
    /// Number of batches.
    batches: u64,
}

impl Reporter {
    /// Opens a window.
    pub(crate) fn open(&mut self, now: UnixMillis) {
        self.opened = Some(now);
    }

    /// Returns the milliseconds until the next call, before which the waiting log lines are written. Returns `None`
    /// when the window opened at `opened` must close.
    #[must_use]
    pub(crate) fn wait(&self, opened: UnixMillis, every: u64, now: UnixMillis) -> Option<u32> {
        let open_for = if self.is_watched {
            every.min(WATCHED_WINDOW_MS)
        } else {
            every
        };
        match open_for.saturating_sub(now.millis_since(opened)) {
            0 => None,
            left => u32::try_from(left.min(WATCHED_WINDOW_MS)).ok(),
        }
    }

    /// Begins a report and closes the open window.
    pub(crate) fn begin(&mut self, now: UnixMillis) {
        self.opened = None;
        self.reported = now;
    }

    /// Returns whether a Durable Object must report its own counts: no window is open, and the last report was a while
    /// ago.
    #[must_use]
    pub(crate) fn is_idle(&self, now: UnixMillis) -> bool {
        let is_lost = |opened| now.millis_since(opened) >= WINDOW_LOST_AFTER_MS;
        self.opened.is_none_or(is_lost) && now.millis_since(self.reported) >= IDLE_AFTER_MS
    }

    /// Queues a batch as a command for the aggregator. Returns its number, and the numbers of batches dropped for it.
    pub(crate) fn queue(&mut self, command: String) -> (u64, Vec<u64>) {
        self.batches += 1;
        let number = self.batches;
        self.unsent.push_back(Unsent { number, command });
        let dropped = self.unsent.len().saturating_sub(MAX_UNSENT);
        let dropped = self.unsent.drain(..dropped);
        (number, dropped.map(|unsent| unsent.number).collect())
    }

    /// Returns the next batch to send, with its number. It stays queued until it is acknowledged, in case the sender is
    /// cut off; two windows may send the same batch.
    #[must_use]
    pub(crate) fn next_unsent(&self) -> Option<(u64, String)> {
        let Unsent { number, command } = self.unsent.front()?;
        Some((*number, command.clone()))
    }

    /// Handles the aggregator's answer to a batch. Returns whether an operator views the console, or `None` if the
    /// answer is invalid and the batch stays queued.
    pub(crate) fn acknowledge(&mut self, number: u64, answer: &[u8]) -> Option<bool> {
        let Added { watched } = message::read(answer).ok()?;
        self.is_watched = watched;
        self.unsent.retain(|unsent| unsent.number != number);
        Some(self.is_watched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_763_740_000_000);

    fn later(ms: u64) -> UnixMillis {
        UnixMillis(NOW.0 + ms)
    }

    #[test]
    fn interval_setting_has_a_default_a_maximum_and_an_off_switch() {
        for (setting, every) in [
            (None, Some(5_000)),
            (Some(""), Some(5_000)),
            (Some("soon"), Some(5_000)),
            (Some("-1"), Some(5_000)),
            (Some(" 250 "), Some(250)),
            (Some("3600000"), Some(20_000)),
            (Some("0"), None),
        ] {
            assert_eq!(interval(setting), every, "{setting:?}");
        }
    }

    #[test]
    fn window_closes_when_its_time_is_over_and_earlier_while_watched() {
        let mut reporter = Reporter::default();
        reporter.open(NOW);
        assert_eq!(reporter.wait(NOW, 5_000, NOW), Some(1_000));
        assert_eq!(reporter.wait(NOW, 5_000, later(4_300)), Some(700));
        assert_eq!(reporter.wait(NOW, 5_000, later(5_000)), None);
        assert_eq!(reporter.wait(NOW, 250, NOW), Some(250));
        reporter.queue("1".to_owned());
        assert_eq!(reporter.acknowledge(1, br#"{"watched":true}"#), Some(true));
        assert_eq!(reporter.wait(NOW, 5_000, later(400)), Some(600));
        assert_eq!(reporter.wait(NOW, 5_000, later(1_000)), None);
        assert_eq!(reporter.wait(NOW, 250, later(250)), None);
    }

    #[test]
    fn object_reports_only_where_no_window_does() {
        let mut reporter = Reporter::default();
        assert!(reporter.is_idle(NOW));
        reporter.open(NOW);
        assert!(!reporter.is_idle(later(29_999)));
        assert!(reporter.is_idle(later(30_000)));
        reporter.begin(later(5_000));
        assert!(!reporter.is_idle(later(14_999)));
        assert!(reporter.is_idle(later(15_000)));
    }

    #[test]
    fn unacknowledged_batches_are_sent_in_order_and_dropped_beyond_twelve() {
        let mut reporter = Reporter::default();
        let dropped: Vec<u64> = (1..=14)
            .flat_map(|n| reporter.queue(n.to_string()).1)
            .collect();
        assert_eq!(dropped, [1, 2]);
        assert_eq!(reporter.next_unsent(), Some((3, "3".to_owned())));
        assert_eq!(reporter.acknowledge(3, b"Internal Server Error"), None);
        assert_eq!(reporter.next_unsent(), Some((3, "3".to_owned())));
        // The answer to a dropped batch acknowledges no other.
        assert_eq!(reporter.acknowledge(1, b"{}"), Some(false));
        assert_eq!(
            reporter.acknowledge(3, br#"{"watched":false}"#),
            Some(false)
        );
        let mut sent = Vec::new();
        while let Some((number, command)) = reporter.next_unsent() {
            sent.push(command);
            reporter.acknowledge(number, b"{}");
        }
        assert_eq!(sent.first().map(String::as_str), Some("4"));
        assert_eq!(sent.len(), 11);
    }
}
