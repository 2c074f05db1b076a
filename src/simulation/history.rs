//! What happened in a run, as the outside saw it, and whether it may have.
//!
//! The guarantees, for consistency `strong`:
//!
//! | | |
//! | --- | --- |
//! | G1 | a browser that was told its change is kept sees it in every later request |
//! | G2 | what a browser has seen once it goes on seeing |
//! | G3 | a change that was acknowledged is there at the end |
//! | G4 | what was ended serves nobody, from the cache period after the acknowledgement on |
//! | G5 | an id has one successor at most |
//! | G6 | nobody sees what was stored for somebody else |
//! | G7 | a conversation stays where it is while nothing is wrong there |
//! | G8 | no session outlives its limits, and none ends before them unless it was ended |
//! | G9 | a session that lasts is on its tenant's list |
//! | G10 | an object answers every call, does everything once at a time, applies a change once, gives one lease at a time, lets no user have too many sessions, and leaves nothing undone |
//!
//! With KV alone the last writer wins and nobody knows better, so there only G6 to G8 are checked.

use std::collections::{BTreeMap, BTreeSet};

use crate::store::retry::Cause;

/// A number that only ever is added to a session's data: a change that can be recognised.
pub(crate) type Mark = u64;

/// One observation, at a time in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    pub(crate) at: u64,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// An origin got a request of this browser, sent at `sent`.
    Served {
        browser: usize,
        sent: u64,
        session: String,
        created: u64,
        /// By somebody who copied a cookie, old as it may be.
        thief: bool,
        marks: BTreeSet<Mark>,
        degraded: bool,
        origin: String,
    },
    /// A browser got the answer to a request that showed this.
    Seen {
        browser: usize,
        session: String,
        marks: BTreeSet<Mark>,
    },
    /// A browser was told that its change is kept.
    Kept {
        browser: usize,
        session: String,
        mark: Mark,
    },
    /// A browser asks for the end of its session, or of all of its user's.
    Ending {
        browser: usize,
        session: Option<String>,
    },
    /// Somebody was told that this session is over.
    Over { session: String },
    /// A browser's id was replaced.
    Replaced { from: String, to: String },
    /// A browser was told that its session is no more, for this reason.
    Refused {
        browser: usize,
        sent: u64,
        session: String,
        reason: String,
    },
    /// The namespace was written: by an isolate, or by an object if the value has no number.
    Put {
        key: String,
        writer: u64,
        number: Option<u64>,
    },
    /// An isolate has a value to store; each has a number of its own.
    Submitted {
        key: String,
        isolate: u64,
        number: u64,
    },
    /// Whoever was to store that value was cut off.
    Cancelled { number: u64 },
    /// An isolate reported that a value is lost.
    Lost { isolate: u64 },
    /// An isolate died.
    Died { isolate: u64 },
    /// An isolate asked storage or an object, for the first time or once more.
    Asked {
        isolate: u64,
        driver: u64,
        attempt: u32,
        question: String,
        is_read: bool,
    },
    /// It heard what became of an attempt.
    Heard {
        isolate: u64,
        driver: u64,
        is_read: bool,
        failed: Option<Cause>,
    },
    /// Whoever asked has an answer, good or bad.
    Answered { isolate: u64, question: String },
    /// A request has no answer in the end, though nobody has cut it off.
    Hangs { browser: usize },
    /// A session's object did what none may do.
    Broken { rule: &'static str, session: String },
    /// In the end a session lasts that its tenant's list does not show.
    Unlisted { session: String },
    /// How a session stands when everything has come to rest.
    Rests {
        session: String,
        marks: BTreeSet<Mark>,
    },
}

/// The limits a run has.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Whether changes are ordered.
    pub(crate) ordered: bool,
    /// How long an isolate may believe what it knows, and how long an answer may be on its way.
    pub(crate) cache_ms: u64,
    pub(crate) idle_ms: u64,
    pub(crate) absolute_ms: u64,
}

/// What must not have happened: which guarantee, and what broke it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation(pub(crate) &'static str, pub(crate) String);

/// Whose marks these are: the browser that set them.
pub(crate) fn owner(mark: Mark) -> usize {
    usize::try_from(mark >> 32).unwrap()
}

pub(crate) fn check(history: &[Observation], limits: &Limits) -> Vec<Violation> {
    let mut checker = Checker {
        limits: *limits,
        kept: BTreeMap::new(),
        seen: BTreeMap::new(),
        over: BTreeMap::new(),
        ending: BTreeSet::new(),
        successors: BTreeMap::new(),
        homes: BTreeMap::new(),
        used: BTreeMap::new(),
        violations: Vec::new(),
    };
    for observation in history {
        checker.take(observation);
    }
    checker.violations
}

struct Checker {
    limits: Limits,
    /// Per browser and session: marks, and when they were acknowledged.
    kept: BTreeMap<(usize, String), Vec<(u64, Mark)>>,
    /// Per browser and session: marks, and when an answer first showed them.
    seen: BTreeMap<(usize, String), BTreeMap<Mark, u64>>,
    over: BTreeMap<String, u64>,
    ending: BTreeSet<(usize, Option<String>)>,
    successors: BTreeMap<String, String>,
    homes: BTreeMap<String, String>,
    /// When a session was last used.
    used: BTreeMap<String, u64>,
    violations: Vec<Violation>,
}

impl Checker {
    fn fault(&mut self, guarantee: &'static str, what: String) {
        self.violations.push(Violation(guarantee, what));
    }

    fn take(&mut self, observation: &Observation) {
        let at = observation.at;
        match &observation.what {
            What::Served { .. } => self.served(at, &observation.what),
            What::Kept {
                browser,
                session,
                mark,
            } => self
                .kept
                .entry((*browser, session.clone()))
                .or_default()
                .push((at, *mark)),
            What::Seen {
                browser,
                session,
                marks,
            } => {
                let key = (*browser, session.clone());
                let seen = self.seen.entry(key).or_default();
                for mark in marks {
                    seen.entry(*mark).or_insert(at);
                }
            }
            What::Ending { browser, session } => {
                self.ending.insert((*browser, session.clone()));
            }
            What::Over { session } => {
                self.over.entry(session.clone()).or_insert(at);
            }
            What::Replaced { from, to } => {
                let known = self.successors.entry(from.clone()).or_insert(to.clone());
                if known != to && self.limits.ordered {
                    let what = format!("{from} became {known} and {to}");
                    self.fault("G5", what);
                }
            }
            What::Refused {
                browser,
                session,
                reason,
                sent,
            } => {
                let used = self.used.get(session).copied().unwrap_or(*sent);
                // Use is written down now and then only: that much may be missing at the end.
                let idle = at.saturating_sub(used) * 2 >= self.limits.idle_ms;
                // Who asked for the end may have got it without hearing of it.
                let asked = self.ending.contains(&(*browser, Some(session.clone())))
                    || self.ending.contains(&(*browser, None));
                if !idle && !asked && self.limits.ordered {
                    let what = format!("{session} was refused at {at}: {reason}");
                    self.fault("G8", what);
                }
            }
            What::Broken { rule, session } => {
                self.fault("G10", format!("{session}: {rule}, at {at}"));
            }
            What::Put { .. }
            | What::Submitted { .. }
            | What::Cancelled { .. }
            | What::Lost { .. }
            | What::Died { .. }
            | What::Asked { .. }
            | What::Heard { .. }
            | What::Answered { .. }
            | What::Hangs { .. } => {}
            What::Unlisted { session } => {
                self.fault("G9", format!("{session} lasts and is not listed, at {at}"));
            }
            What::Rests { session, marks } => {
                if !self.limits.ordered {
                    return;
                }
                let lost: Vec<Mark> = self
                    .kept
                    .iter()
                    .filter(|((_, kept), _)| kept == session)
                    .flat_map(|(_, kept)| kept.iter().map(|(_, mark)| *mark))
                    .filter(|mark| !marks.contains(mark))
                    .collect();
                if !lost.is_empty() {
                    self.fault("G3", format!("{session} lost {lost:?}"));
                }
            }
        }
    }

    fn served(&mut self, at: u64, what: &What) {
        let What::Served {
            browser,
            sent,
            session,
            created,
            thief,
            marks,
            degraded,
            origin,
        } = what
        else {
            return;
        };
        if let Some(foreign) = marks.iter().find(|mark| owner(**mark) != *browser) {
            self.fault("G6", format!("{session} of {browser} shows {foreign}"));
        }
        if at >= created + self.limits.absolute_ms {
            self.fault("G8", format!("{session} outlived its limit, at {at}"));
        }
        let home = self.homes.entry(session.clone()).or_insert(origin.clone());
        if home != origin {
            let what = format!("{session} moved from {home} to {origin}");
            self.fault("G7", what);
        }
        let used = self.used.entry(session.clone()).or_insert(at);
        *used = (*used).max(at);
        if *degraded || !self.limits.ordered {
            return;
        }
        let ended = self.over.get(session).copied();
        if ended.is_some_and(|ended| *sent > ended + self.limits.cache_ms) {
            self.fault(
                "G4",
                format!("{session} was served at {at}, ended at {ended:?}"),
            );
        }
        if *thief {
            return;
        }
        let key = (*browser, session.clone());
        let missing: Vec<Mark> = self
            .kept
            .get(&key)
            .into_iter()
            .flatten()
            .filter(|(kept_at, mark)| kept_at < sent && !marks.contains(mark))
            .map(|(_, mark)| *mark)
            .collect();
        if !missing.is_empty() {
            let what = format!("{session} sent at {sent}, served at {at}, lacks {missing:?}");
            self.fault("G1", what);
        }
        let seen = self.seen.entry(key).or_default();
        let unseen: Vec<Mark> = seen
            .iter()
            .filter(|(mark, shown_at)| *shown_at < sent && !marks.contains(mark))
            .map(|(mark, _)| *mark)
            .collect();
        if !unseen.is_empty() {
            let what = format!("{session} sent at {sent} no more shows {unseen:?}");
            self.fault("G2", what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        ordered: true,
        cache_ms: 5_000,
        idle_ms: 600_000,
        absolute_ms: 3_600_000,
    };

    fn served(at: u64, marks: &[Mark]) -> Observation {
        Observation {
            at,
            what: What::Served {
                browser: 0,
                sent: at,
                session: "s".to_owned(),
                created: 0,
                thief: false,
                marks: marks.iter().copied().collect(),
                degraded: false,
                origin: "a".to_owned(),
            },
        }
    }

    fn observed(at: u64, what: What) -> Observation {
        Observation { at, what }
    }

    fn kept(at: u64, mark: Mark) -> Observation {
        let session = "s".to_owned();
        observed(
            at,
            What::Kept {
                browser: 0,
                session,
                mark,
            },
        )
    }

    fn over(at: u64) -> Observation {
        let session = "s".to_owned();
        observed(at, What::Over { session })
    }

    fn broken(history: &[Observation]) -> Vec<&'static str> {
        check(history, &LIMITS)
            .into_iter()
            .map(|violation| violation.0)
            .collect()
    }

    #[test]
    fn a_sound_history_is_sound() {
        let history = [
            served(0, &[]),
            kept(10, 1),
            served(20, &[1]),
            kept(30, 2),
            served(40, &[1, 2]),
            over(50),
            served(5_050, &[1, 2]),
        ];
        assert_eq!(broken(&history), [""; 0]);
    }

    #[test]
    fn a_stale_read_is_caught() {
        assert_eq!(broken(&[kept(10, 1), served(20, &[])]), ["G1"]);
        let seen = What::Seen {
            browser: 0,
            session: "s".to_owned(),
            marks: BTreeSet::from([1]),
        };
        assert_eq!(broken(&[observed(10, seen), served(20, &[])]), ["G2"]);
    }

    #[test]
    fn a_lost_update_is_caught() {
        let rests = What::Rests {
            session: "s".to_owned(),
            marks: BTreeSet::from([2]),
        };
        assert_eq!(
            broken(&[kept(10, 1), kept(11, 2), observed(20, rests)]),
            ["G3"]
        );
    }

    #[test]
    fn a_resurrection_is_caught() {
        assert_eq!(broken(&[over(10), served(5_011, &[])]), ["G4"]);
    }

    #[test]
    fn a_double_rotation_is_caught() {
        let replaced = |to: &str| {
            let (from, to) = ("a".to_owned(), to.to_owned());
            observed(1, What::Replaced { from, to })
        };
        assert_eq!(broken(&[replaced("b"), replaced("b")]), [""; 0]);
        assert_eq!(broken(&[replaced("b"), replaced("c")]), ["G5"]);
    }

    #[test]
    fn foreign_data_a_move_and_a_broken_limit_are_caught() {
        assert_eq!(broken(&[served(1, &[7 << 32])]), ["G6"]);
        let mut moved = served(2, &[]);
        if let What::Served { origin, .. } = &mut moved.what {
            *origin = "b".to_owned();
        }
        assert_eq!(broken(&[served(1, &[]), moved]), ["G7"]);
        assert_eq!(broken(&[served(3_600_000, &[])]), ["G8"]);
        let refused = What::Refused {
            browser: 0,
            sent: 20,
            session: "s".to_owned(),
            reason: "unknown".to_owned(),
        };
        assert_eq!(broken(&[served(10, &[]), observed(20, refused)]), ["G8"]);
    }
}
