//! Keeps this isolate's view of the origins across all isolates, as the tenant's pool object reports it. The view has
//! load and health from everywhere, and the operator's drains. The isolate updates it in the background every
//! [`EVERY_MS`]; load and health expire after [`COUNTS_MS`], drains do not.

use serde_json::Value;

use super::message::{Answer, Command, OriginReport, TurnReport};
use super::waiting_queue::{Arrival, Ask, Turn};
use crate::clock::UnixMillis;
use crate::flat_map::FlatMap;
use crate::message;

/// Interval at which an isolate exchanges reports with the object, in milliseconds.
pub(crate) const EVERY_MS: u64 = 2_000;

/// Time for which load and health count, in milliseconds.
const COUNTS_MS: u64 = 10_000;

/// Other isolates' view of one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    /// Requests of the other isolates in flight there.
    under_way: u32,
    /// Estimated number of sockets that other isolates opened there.
    held: u32,
    /// Load that the origin last reported to any isolate, in thousandths.
    reported: Option<u64>,
    /// End of its ejection, by most isolates that know it or because it is not ready.
    ejected_until: UnixMillis,
}

/// This isolate's view of one origin, for its report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalView<'a> {
    /// Name of the origin.
    pub origin: &'a str,
    /// Requests of this isolate in flight there.
    pub under_way: u32,
    /// Estimated number of sockets that the isolate opened there.
    pub held: u32,
    /// Load that the origin reported to this isolate, in thousandths.
    pub reported: Option<u64>,
    /// End of the ejection by this isolate.
    pub ejected_until: UnixMillis,
}

/// One isolate's view of all other isolates.
#[derive(Debug, Default)]
pub(crate) struct ClusterView {
    origins: FlatMap<String, State>,
    drained: Vec<String>,
    unready: Vec<String>,
    waiting: u32,
    /// Lists of origins, as the object reported them last.
    lists: Value,
    lists_changed: bool,
    updated: UnixMillis,
    last_exchange: UnixMillis,
}

impl ClusterView {
    /// Returns whether an exchange is due; if so, starts the next interval.
    pub(crate) fn is_due(&mut self, now: UnixMillis) -> bool {
        let due = now.millis_since(self.last_exchange) >= EVERY_MS;
        if due {
            self.last_exchange = now;
        }
        due
    }

    /// Returns the isolate's report: one line of JSON. `lists` names the lists of origins that it uses.
    #[must_use]
    pub(crate) fn command(isolate: u64, views: &[LocalView<'_>], lists: Value) -> String {
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
            origins: views.iter().map(report).collect(),
            lists,
        };
        command.to_text()
    }

    /// Returns the command that asks for a newcomer's turn: one line of JSON.
    #[must_use]
    pub(crate) fn turn_command(ask: &Ask) -> String {
        let command = Command::Wait {
            arrived: ask.arrival.at.0,
            id: ask.arrival.id,
            places: ask.places,
            room: ask.room,
            timeout: ask.timeout.0,
        };
        command.to_text()
    }

    /// Updates the view from the object's [`Answer`] to [`Self::turn_command`]. Returns the turn, and the arrival that was
    /// asked for; `None` if the object is of an earlier release, which has no queue.
    pub(crate) fn learn_turn(&mut self, answer: &[u8], now: UnixMillis) -> Option<(Turn, Arrival)> {
        self.learn(answer, now);
        let answer: Answer = message::read(answer).ok()?;
        answer.turn.map(TurnReport::turn)
    }

    /// Updates the view from the object's [`Answer`]. Returns whether it was valid.
    pub(crate) fn learn(&mut self, answer: &[u8], now: UnixMillis) -> bool {
        let Ok(answer) = message::read::<Answer>(answer) else {
            return false;
        };
        let Answer {
            origins,
            drained,
            unready,
            waiting,
            lists,
            ..
        } = answer;
        self.waiting = waiting;
        // An object of an earlier release knows no lists.
        if !lists.is_null() && self.lists != lists {
            self.lists = lists;
            self.lists_changed = true;
        }
        self.origins = origins.into_iter().map(read).collect();
        self.drained = drained;
        self.unready = unready;
        self.updated = now;
        true
    }

    /// Returns the lists of origins, as the object reported them last.
    #[must_use]
    pub(crate) fn lists(&self) -> &Value {
        &self.lists
    }

    /// Returns whether the lists changed since the last call.
    pub(crate) fn take_lists_changed(&mut self) -> bool {
        core::mem::take(&mut self.lists_changed)
    }

    /// Returns the age of the view, in milliseconds.
    #[must_use]
    pub(crate) fn age_ms(&self, now: UnixMillis) -> u64 {
        now.millis_since(self.updated)
    }

    /// Returns the number of requests of other isolates in flight at the origin.
    #[must_use]
    pub(crate) fn under_way(&self, origin: &str, now: UnixMillis) -> u32 {
        self.state(origin, now).under_way
    }

    /// Returns the estimated number of sockets that the other isolates opened there.
    #[must_use]
    pub(crate) fn held(&self, origin: &str, now: UnixMillis) -> u32 {
        self.state(origin, now).held
    }

    /// Returns the load that the origin last reported to any isolate, in thousandths.
    #[must_use]
    pub(crate) fn reported(&self, origin: &str, now: UnixMillis) -> Option<u64> {
        self.state(origin, now).reported
    }

    /// Returns the number of newcomers who wait at any isolate.
    #[must_use]
    pub(crate) fn waiting(&self, now: UnixMillis) -> u32 {
        if now.millis_since(self.updated) > COUNTS_MS {
            return 0;
        }
        self.waiting
    }

    /// Returns whether the other isolates eject the origin.
    #[must_use]
    pub(crate) fn is_ejected(&self, origin: &str, now: UnixMillis) -> bool {
        now < self.state(origin, now).ejected_until
    }

    /// Returns whether the origin is ejected because it is not ready. It still serves the connections that it has.
    #[must_use]
    pub(crate) fn is_unready(&self, origin: &str, now: UnixMillis) -> bool {
        self.is_ejected(origin, now) && self.unready.iter().any(|name| name == origin)
    }

    /// Returns whether the other isolates eject no origin.
    #[must_use]
    pub(crate) fn is_clear(&self, now: UnixMillis) -> bool {
        self.origins
            .values()
            .all(|state| now >= state.ejected_until)
    }

    /// Returns whether the operator drains the origin.
    #[must_use]
    pub(crate) fn is_drained(&self, origin: &str) -> bool {
        self.drained.iter().any(|name| name == origin)
    }

    fn state(&self, origin: &str, now: UnixMillis) -> State {
        if self.origins.is_empty() || now.millis_since(self.updated) > COUNTS_MS {
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
        let views = LocalView {
            origin: "a",
            under_way: 3,
            held: 2,
            reported: None,
            ejected_until: UnixMillis(0),
        };
        assert_eq!(
            ClusterView::command(255, &[views], Value::Null),
            r#"{"do":"gather","isolate":"ff","origins":[["a",3,null,0,2]]}"#
        );
    }
}
