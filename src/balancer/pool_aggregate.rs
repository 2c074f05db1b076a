//! Aggregates isolates' reports about a tenant's origins. [`super::message`] defines its messages.
//!
//! Only drains and lists of origins are stored. The rest is in memory: after a restart the object gets new reports within seconds.

use super::load::{HELD_MS, remaining, whole};
use super::message::{Answer, Command, OriginReport, TurnReport};
use super::origin_lists::{Change, Found, OriginLists};
use super::waiting_queue::{Arrival, Ask, WaitingQueue};
use crate::clock::{Seconds, UnixMillis};
use crate::flat_map::FlatMap;
use crate::message::{self, MessageError};
use serde_json::Value;

/// Time for which an isolate's report counts, in milliseconds.
const COUNTS_MS: u64 = 10_000;

/// Time for which a failed health check counts, in milliseconds: two and a half intervals.
const CHECK_COUNTS_MS: u64 = 150_000;

/// Time for which an isolate's sockets count without a report, in milliseconds. An isolate without requests reports
/// nothing, and its sockets stay open.
const HELD_COUNTS_MS: u64 = 4 * HELD_MS;

/// Report of one isolate on one origin.
#[derive(Clone, Copy, Debug)]
struct Report {
    at: UnixMillis,
    under_way: u32,
    held: u32,
    reported: Option<u64>,
    ejected_until: UnixMillis,
}

/// State of one origin.
#[derive(Debug, Default)]
struct Origin {
    /// Reports by isolate.
    reports: FlatMap<String, Report>,
    /// Time of the last health check, if it found the origin not ready.
    unready: Option<UnixMillis>,
}

/// Reports of all isolates.
#[derive(Debug, Default)]
pub(crate) struct PoolAggregate {
    origins: FlatMap<String, Origin>,
    /// Newcomers who wait.
    queue: WaitingQueue,
    /// Lists of origins; `None` until their stored state is loaded.
    lists: Option<OriginLists>,
    /// URL of the DNS resolver.
    resolver: String,
    /// Time of the last command.
    last_command: UnixMillis,
}

/// Result of a command.
#[derive(Debug)]
pub(crate) struct CommandResult {
    /// Response to the caller.
    pub answer: String,
    /// Names of the drained origins, as JSON, if they changed; the caller stores them before it responds.
    pub drained: Option<String>,
    /// Number of newcomers who wait.
    pub waiting: u32,
    /// Number of places in the queue that were given up since the last command.
    pub given_up: u32,
    /// Lists of origins to read now; the caller tells [`PoolAggregate::learn_list`] what it found.
    pub due: Vec<String>,
}

impl PoolAggregate {
    /// Returns whether all reports have expired.
    #[must_use]
    pub(crate) fn is_forgotten(&self, now: UnixMillis) -> bool {
        now.millis_since(self.last_command) > HELD_COUNTS_MS
    }

    /// Returns whether the stored lists of origins are missing: see [`Self::load_lists`].
    #[must_use]
    pub(crate) fn lacks_lists(&self) -> bool {
        self.lists.is_none()
    }

    /// Loads the text that [`Self::learn_list`] returned last.
    pub(crate) fn load_lists(&mut self, stored: Option<&str>, now: UnixMillis) {
        self.lists = Some(OriginLists::from_text(stored, now));
    }

    /// Returns whether every list was read, or could not be.
    #[must_use]
    pub(crate) fn has_settled_lists(&self) -> bool {
        self.lists.as_ref().is_none_or(OriginLists::are_settled)
    }

    /// Returns the URL of the resolver that isolates named last.
    #[must_use]
    pub(crate) fn resolver(&self) -> &str {
        &self.resolver
    }

    /// Applies what an attempt to read a list found. Returns the change, and the text to store if there is one.
    pub(crate) fn learn_list(
        &mut self,
        source: &str,
        found: Result<Found, String>,
        now: UnixMillis,
    ) -> (Change, Option<String>) {
        let Some(lists) = &mut self.lists else {
            return (Change::default(), None);
        };
        let change = lists.learn(source, found, now);
        let text = change.is_stored.then(|| lists.to_value(now).to_string());
        (change, text)
    }

    /// Applies a command. `stored` is the last [`CommandResult::drained`].
    ///
    /// # Errors
    /// Returns an error if the text is not a command.
    pub(crate) fn apply(
        &mut self,
        command: &str,
        stored: Option<&str>,
        now: UnixMillis,
    ) -> Result<CommandResult, MessageError> {
        let command = Command::parse(command)?;
        let stored = stored.and_then(|stored| message::read(stored.as_bytes()).ok());
        let mut drained: Vec<String> = stored.unwrap_or_default();
        self.last_command = now;
        let mut reporter = String::new();
        let mut drains_changed = false;
        let mut turn = None;
        let mut due = Vec::new();
        match command {
            Command::Gather {
                isolate,
                origins,
                lists,
            } => {
                if let (Value::Object(_), Some(own)) = (&lists, &mut self.lists) {
                    let resolver = lists.get("resolver").and_then(Value::as_str);
                    resolver.unwrap_or_default().clone_into(&mut self.resolver);
                    due = own.ask(&lists, now);
                }
                for OriginReport(name, under_way, reported, ejected_until, held) in origins {
                    let report = Report {
                        at: now,
                        under_way,
                        held,
                        reported,
                        ejected_until: UnixMillis(ejected_until),
                    };
                    let known = self.origins.or_default(name);
                    known.reports.insert(isolate.clone(), report);
                }
                reporter = isolate;
            }
            Command::Drain {
                drained: drain,
                origin,
            } => {
                drains_changed = drained.contains(&origin) != drain;
                drained.retain(|other| *other != origin);
                drained.extend(drain.then_some(origin));
            }
            Command::Checked { origin, ready } => {
                self.origins.or_default(origin).unready = (!ready).then_some(now);
            }
            Command::Wait {
                arrived,
                id,
                places,
                room,
                timeout,
            } => {
                let at = UnixMillis(arrived);
                let ask = Ask {
                    arrival: Arrival { at, id },
                    room,
                    places,
                    timeout: Seconds(timeout),
                };
                turn = Some(TurnReport::new(ask.arrival, self.queue.ask(&ask, now)));
            }
            Command::Tell => {}
        }
        self.forget(now);
        let waiting = self.queue.waiting(now);
        let origins = || self.origins.iter();
        let summary = |(name, known): (&String, &Origin)| known.summary(name, &reporter, now);
        let unready = origins().filter(|(_, known)| known.unready.is_some());
        let answer = Answer {
            origins: origins().map(summary).collect(),
            unready: unready.map(|(name, _)| name.clone()).collect(),
            drained,
            turn,
            waiting,
            lists: match &self.lists {
                Some(lists) => lists.to_value(now),
                None => Value::Null,
            },
        };
        Ok(CommandResult {
            waiting,
            due,
            given_up: self.queue.take_given_up(),
            answer: message::write(&answer),
            drained: drains_changed.then(|| message::write(&answer.drained)),
        })
    }

    fn forget(&mut self, now: UnixMillis) {
        self.queue.forget(now);
        for known in self.origins.values_mut() {
            known
                .reports
                .retain(|_, report| report.is_fresh(now) || report.held(now) >= 0.5);
            known.unready = known
                .unready
                .filter(|at| now.millis_since(*at) < CHECK_COUNTS_MS);
        }
        self.origins
            .retain(|_, known| !known.reports.is_empty() || known.unready.is_some());
    }
}

impl Origin {
    /// Summarises the origin for an isolate: requests in flight and open sockets of all others, last load, and end of the
    /// ejection. An origin is ejected if most isolates that know it eject it, or if it is not ready.
    fn summary(&self, name: &str, isolate: &str, now: UnixMillis) -> OriginReport {
        let others = || self.reports.iter().filter(|(other, _)| *other != isolate);
        let held = others().map(|(_, report)| report.held(now)).sum();
        let fresh = || self.reports.values().filter(|report| report.is_fresh(now));
        let others = others().filter(|(_, report)| report.is_fresh(now));
        let under_way: u32 = others.map(|(_, report)| report.under_way).sum();
        let last = fresh()
            .filter(|report| report.reported.is_some())
            .max_by_key(|report| report.at);
        let away = || fresh().filter(|report| report.ejected_until > now);
        let most_agree = away().count() * 2 > fresh().count();
        let ejected = away().map(|report| report.ejected_until.0).max();
        let unready = self.unready.map_or(0, |at| at.0 + CHECK_COUNTS_MS);
        let until = ejected.filter(|_| most_agree).unwrap_or(0).max(unready);
        let reported = last.and_then(|report| report.reported);
        OriginReport(name.to_owned(), under_way, reported, until, whole(held))
    }
}

impl Report {
    fn is_fresh(&self, now: UnixMillis) -> bool {
        now.millis_since(self.at) <= COUNTS_MS
    }

    /// Returns the estimated number of sockets that the isolate opened and that are open.
    fn held(&self, now: UnixMillis) -> f64 {
        let age_ms = now.millis_since(self.at);
        if age_ms > HELD_COUNTS_MS {
            return 0.0;
        }
        f64::from(self.held) * remaining(age_ms)
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn later(millis: u64) -> UnixMillis {
        UnixMillis(NOW.0 + millis)
    }

    fn gather(isolate: &str, origins: &Value) -> String {
        json!({ "do": "gather", "isolate": isolate, "origins": origins }).to_string()
    }

    fn answer_to(aggregate: &mut PoolAggregate, command: &str, now: UnixMillis) -> Value {
        let result = aggregate.apply(command, None, now).unwrap();
        serde_json::from_str(&result.answer).unwrap()
    }

    #[test]
    fn isolate_gets_in_flight_counts_of_others_and_the_last_load() {
        let mut aggregate = PoolAggregate::default();
        answer_to(
            &mut aggregate,
            &gather("1", &json!([["a", 3, 500, 0]])),
            NOW,
        );
        let second = gather("2", &json!([["a", 4, 700, 0]]));
        let answer = answer_to(&mut aggregate, &second, later(1));
        assert_eq!(answer["origins"], json!([["a", 3, 700, 0, 0]]));
        let third = gather("3", &json!([["a", 0, null, 0]]));
        let answer = answer_to(&mut aggregate, &third, later(2));
        assert_eq!(answer["origins"], json!([["a", 7, 700, 0, 0]]));
        let much_later = answer_to(&mut aggregate, &third, later(10_002));
        assert_eq!(much_later["origins"], json!([["a", 0, null, 0, 0]]));
    }

    #[test]
    fn sockets_of_an_idle_isolate_still_count() {
        let mut aggregate = PoolAggregate::default();
        let held = |number: u32| json!([["a", 0, null, 0, number]]);
        answer_to(&mut aggregate, &gather("1", &held(60)), NOW);
        let report_at = |aggregate: &mut PoolAggregate, minutes: u64| {
            let answer = answer_to(aggregate, &gather("2", &held(3)), later(minutes * 60_000));
            answer["origins"].clone()
        };
        assert_eq!(report_at(&mut aggregate, 0), held(60));
        assert_eq!(report_at(&mut aggregate, 15), held(22), "60 / e");
        answer_to(&mut aggregate, &gather("1", &held(0)), later(15 * 60_000));
        assert_eq!(report_at(&mut aggregate, 16), held(0));
        answer_to(&mut aggregate, &gather("1", &held(60)), later(16 * 60_000));
        assert_eq!(
            report_at(&mut aggregate, 80),
            held(0),
            "an hour without a report"
        );
    }

    #[test]
    fn origin_ejected_by_most_isolates_is_ejected_for_all() {
        let mut aggregate = PoolAggregate::default();
        let until = later(5_000).0;
        answer_to(
            &mut aggregate,
            &gather("1", &json!([["a", 0, null, until]])),
            NOW,
        );
        let answer = answer_to(
            &mut aggregate,
            &gather("2", &json!([["a", 0, null, 0]])),
            NOW,
        );
        assert_eq!(answer["origins"][0][3], 0);
        let answer = answer_to(
            &mut aggregate,
            &gather("3", &json!([["a", 0, null, until - 1]])),
            NOW,
        );
        assert_eq!(answer["origins"][0][3], until);
    }

    #[test]
    fn unready_origin_is_skipped_until_ready_or_unchecked() {
        let mut aggregate = PoolAggregate::default();
        let checked = |ready| json!({ "do": "checked", "origin": "a", "ready": ready }).to_string();
        let answer = answer_to(&mut aggregate, &checked(false), NOW);
        assert_eq!(
            answer["origins"],
            json!([["a", 0, null, NOW.0 + 150_000, 0]])
        );
        let answer = answer_to(&mut aggregate, &checked(true), later(1));
        assert_eq!(answer["origins"], json!([]));
        answer_to(&mut aggregate, &checked(false), later(2));
        let answer = answer_to(
            &mut aggregate,
            &json!({ "do": "tell" }).to_string(),
            later(150_002),
        );
        assert_eq!(answer["origins"], json!([]));
    }

    #[test]
    fn drain_lasts_until_lifted() {
        let mut aggregate = PoolAggregate::default();
        let drain =
            |drained| json!({ "do": "drain", "origin": "a", "drained": drained }).to_string();
        let mut apply = |command: &str, stored: Option<&str>| {
            aggregate.apply(command, stored, NOW).unwrap().drained
        };
        let set = apply(&drain(true), None);
        assert_eq!(set.as_deref(), Some(r#"["a"]"#));
        assert_eq!(apply(&drain(true), set.as_deref()), None);
        let lifted = apply(&drain(false), Some(r#"["b","a"]"#));
        assert_eq!(lifted.as_deref(), Some(r#"["b"]"#));
        assert_eq!(apply(&drain(false), lifted.as_deref()), None);
    }

    #[test]
    fn malformed_command_changes_nothing() {
        let mut aggregate = PoolAggregate::default();
        for bad in [
            "",
            "{}",
            r#"{"do":"gather"}"#,
            r#"{"do":"gather","origins":[[1]]}"#,
            r#"{"do":"drain"}"#,
        ] {
            assert!(aggregate.apply(bad, None, NOW).is_err(), "{bad}");
        }
    }
}
