//! Keeps this isolate's view of the origins across all isolates, as the tenant's pool object reports it: load and
//! health from everywhere, and what the operator has drained. Asked for in the background, every few seconds; what is
//! older than that counts no more, but for drains.

use super::message::{Answer, Command, OriginReport};
use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;
use crate::message;

/// How often an isolate tells and asks, in milliseconds.
pub(crate) const EVERY_MS: u64 = 2_000;

/// Time for which a report counts.
const COUNTS_MS: u64 = 10_000;

/// What the others know about one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// What the other isolates have under way there.
    under_way: u32,
    /// Estimated number of sockets that other isolates opened there.
    held: u32,
    /// What it reported last, anywhere, in parts of a thousand.
    reported: Option<u64>,
    /// It is passed over until then, by most who know it, or because it says it is not ready.
    ejected_until: UnixMillis,
}

/// What this isolate knows of one origin, and reports to the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalView<'a> {
    /// Its name.
    pub origin: &'a str,
    /// What the isolate has under way there.
    pub under_way: u32,
    /// Estimated number of sockets that the isolate opened there.
    pub held: u32,
    /// What it reported to this isolate.
    pub reported: Option<u64>,
    /// Until when the isolate passes it over.
    pub ejected_until: UnixMillis,
}

/// What one isolate has heard of the others.
#[derive(Debug, Default)]
pub(crate) struct ClusterView {
    origins: FlatMap<String, State>,
    drained: Vec<String>,
    heard: UnixMillis,
    asked: UnixMillis,
}

impl ClusterView {
    /// Whether it is time to tell and ask; says so once.
    pub(crate) fn is_due(&mut self, now: UnixMillis) -> bool {
        let due = now.millis_since(self.asked) >= EVERY_MS;
        if due {
            self.asked = now;
        }
        due
    }

    /// What an isolate tells: one line of JSON.
    #[must_use]
    pub(crate) fn command(isolate: u64, told: &[LocalView<'_>]) -> String {
        let report = |one: &LocalView<'_>| {
            let origin = one.origin.to_owned();
            OriginReport(
                origin,
                one.under_way,
                one.reported,
                one.ejected_until.0,
                one.held,
            )
        };
        let command = Command::Gather {
            isolate: format!("{isolate:x}"),
            origins: told.iter().map(report).collect(),
        };
        command.to_text()
    }

    /// Learns from the object's [`Answer`]. Whether it was one.
    pub(crate) fn learn(&mut self, answer: &[u8], now: UnixMillis) -> bool {
        let Ok(Answer { origins, drained }) = message::read(answer) else {
            return false;
        };
        self.origins = origins.into_iter().map(read).collect();
        self.drained = drained;
        self.heard = now;
        true
    }

    /// What the other isolates have under way there.
    #[must_use]
    pub(crate) fn under_way(&self, origin: &str, now: UnixMillis) -> u32 {
        self.state(origin, now).under_way
    }

    /// Returns the estimated number of sockets that the other isolates opened there.
    #[must_use]
    pub(crate) fn held(&self, origin: &str, now: UnixMillis) -> u32 {
        self.state(origin, now).held
    }

    /// What it reported last, anywhere.
    #[must_use]
    pub(crate) fn reported(&self, origin: &str, now: UnixMillis) -> Option<u64> {
        self.state(origin, now).reported
    }

    /// Whether the others pass it over.
    #[must_use]
    pub(crate) fn is_ejected(&self, origin: &str, now: UnixMillis) -> bool {
        now < self.state(origin, now).ejected_until
    }

    /// Whether nobody has anything against any origin.
    #[must_use]
    pub(crate) fn is_clear(&self, now: UnixMillis) -> bool {
        self.origins
            .values()
            .all(|state| now >= state.ejected_until)
    }

    /// Whether the operator drains it.
    #[must_use]
    pub(crate) fn is_drained(&self, origin: &str) -> bool {
        self.drained.iter().any(|name| name == origin)
    }

    fn state(&self, origin: &str, now: UnixMillis) -> State {
        if self.origins.is_empty() || now.millis_since(self.heard) > COUNTS_MS {
            return State::default();
        }
        self.origins.get(origin).copied().unwrap_or_default()
    }
}

fn read(report: OriginReport) -> (String, State) {
    let OriginReport(name, under_way, reported, ejected_until, held) = report;
    let state = State {
        under_way,
        held,
        reported,
        ejected_until: UnixMillis(ejected_until),
    };
    (name, state)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn others_health_expires_and_a_drain_lasts_until_lifted() {
        let mut shared = ClusterView::default();
        let answer = br#"{"origins":[["a",7,900,1004000,5],["b",0,null,0]],"drained":["b"]}"#;
        assert!(shared.learn(answer, NOW));
        assert_eq!(
            (shared.under_way("a", NOW), shared.reported("a", NOW)),
            (7, Some(900))
        );
        assert_eq!((shared.held("a", NOW), shared.held("b", NOW)), (5, 0));
        assert!(shared.is_ejected("a", NOW) && !shared.is_ejected("b", NOW));
        let later = UnixMillis(NOW.0 + 11_000);
        assert_eq!(
            (shared.under_way("a", later), shared.reported("a", later)),
            (0, None)
        );
        assert!(shared.is_drained("b"));
        assert!(shared.learn(br#"{"origins":[],"drained":[]}"#, later));
        assert!(!shared.is_drained("b"));
    }

    #[test]
    fn malformed_answer_is_ignored() {
        let mut shared = ClusterView::default();
        for bad in ["", "[]", "{}", r#"{"origins":1,"drained":[]}"#] {
            assert!(!shared.learn(bad.as_bytes(), NOW), "{bad}");
        }
    }

    #[test]
    fn view_is_exchanged_every_few_seconds() {
        let mut shared = ClusterView::default();
        assert!(shared.is_due(NOW));
        assert!(!shared.is_due(UnixMillis(NOW.0 + 1_999)));
        assert!(shared.is_due(UnixMillis(NOW.0 + 2_000)));
        let told = LocalView {
            origin: "a",
            under_way: 3,
            held: 2,
            reported: None,
            ejected_until: UnixMillis(0),
        };
        assert_eq!(
            ClusterView::command(255, &[told]),
            r#"{"do":"gather","isolate":"ff","origins":[["a",3,null,0,2]]}"#
        );
    }
}
