//! Checks a history against the guarantees of [`super`].

use std::collections::{BTreeMap, BTreeSet};

use super::{Limits, Mark, Observation, Violation, What, owner};

/// Maximum time until use is noted again, in milliseconds.
const NOTED_MS: u64 = 120_000;

/// Maximum time until a request takes effect, in milliseconds: commands are retried for some seconds.
const LATE_MS: u64 = 15_000;

pub(crate) fn check(history: &[Observation], limits: &Limits) -> Vec<Violation> {
    let mut checker = Checker {
        limits: *limits,
        kept: BTreeMap::new(),
        seen: BTreeMap::new(),
        over: BTreeMap::new(),
        ending: BTreeSet::new(),
        everywhere: BTreeMap::new(),
        all_ended: None,
        signed_in: BTreeMap::new(),
        successors: BTreeMap::new(),
        homes: BTreeMap::new(),
        used: BTreeMap::new(),
        woke: BTreeMap::new(),
        violations: Vec::new(),
    };
    for observation in history {
        checker.take(observation);
    }
    checker.violations
}

struct Checker {
    limits: Limits,
    /// Marks with the times of their acknowledgement, by browser and session.
    kept: BTreeMap<(usize, String), Vec<(u64, Mark)>>,
    /// Marks with the times of the first answer that showed them, by browser and session.
    seen: BTreeMap<(usize, String), BTreeMap<Mark, u64>>,
    over: BTreeMap<String, u64>,
    ending: BTreeSet<(usize, String)>,
    /// Times when the end of all sessions was last requested: by user of a browser, and for the tenant.
    everywhere: BTreeMap<usize, u64>,
    all_ended: Option<u64>,
    /// Earliest time when a session may belong to its browser's user.
    signed_in: BTreeMap<String, u64>,
    successors: BTreeMap<String, String>,
    homes: BTreeMap<String, String>,
    /// Time of the last use of a session.
    used: BTreeMap<String, u64>,
    /// Time of the last use after a long pause.
    woke: BTreeMap<String, u64>,
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
            What::Ending {
                browser,
                session: Some(session),
            } => {
                self.ending.insert((*browser, session.clone()));
            }
            What::Ending { browser, .. } => {
                self.everywhere.insert(*browser, at);
            }
            What::EndingAll => self.all_ended = Some(at),
            What::SigningIn { session, sent } => {
                self.signed_in.entry(session.clone()).or_insert(*sent);
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
            What::Refused { .. } => self.refused(at, &observation.what),
            What::Remains { what } => self.fault("G11", format!("{what} remains")),
            What::Broken { rule, session } => {
                self.fault("G10", format!("{session}: {rule}, at {at}"));
            }
            What::Put { .. }
            | What::PutDone { .. }
            | What::Drives { .. }
            | What::Submitted { .. }
            | What::Cancelled { .. }
            | What::Lost { .. }
            | What::Confirmed { .. }
            | What::Shown { .. }
            | What::Merged { .. }
            | What::Settled { .. }
            | What::Dropped { .. }
            | What::Died { .. }
            | What::Asked { .. }
            | What::Heard { .. }
            | What::Follows { .. }
            | What::Answered { .. }
            | What::Hangs { .. }
            | What::NeverRests => {}
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

    fn refused(&mut self, at: u64, what: &What) {
        let What::Refused {
            browser,
            sent,
            session,
            created,
            reason,
        } = what
        else {
            return;
        };
        let used = self.used.get(session).copied().unwrap_or(*sent);
        // Use is noted only at intervals, so the last use may be missing.
        let idle = at.saturating_sub(used) * 2 >= self.limits.idle_ms;
        // A lost note of use after a long pause is repeated soon.
        let woke = self.woke.get(session);
        let idle = idle || woke.is_some_and(|woke| at < woke + NOTED_MS);
        // A request for the end may have succeeded without an answer.
        let is_ended = self.ending.contains(&(*browser, session.clone()));
        // Sessions that existed when all were ended.
        let everywhere = self
            .everywhere
            .get(browser)
            .zip(self.signed_in.get(session));
        let with_user = everywhere.is_some_and(|(ended, signed_in)| *signed_in <= ended + LATE_MS);
        let with_all = self
            .all_ended
            .is_some_and(|ended| *created <= ended + LATE_MS);
        let is_excused = idle || is_ended || with_user || with_all;
        if !is_excused && self.limits.ordered {
            let what = format!("{session} was refused at {at}: {reason}");
            self.fault("G8", what);
        }
    }

    fn served(&mut self, at: u64, what: &What) {
        let What::Served {
            browser,
            sent,
            session,
            created,
            is_thief,
            guest,
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
        if at.saturating_sub(*used) * 2 >= self.limits.idle_ms {
            self.woke.insert(session.clone(), at);
        }
        *used = (*used).max(at);
        if *degraded || !self.limits.ordered {
            return;
        }
        let ended = self.over.get(session).copied();
        if !guest && ended.is_some_and(|ended| *sent > ended + self.limits.cache_ms) {
            self.fault(
                "G4",
                format!("{session} was served at {at}, ended at {ended:?}"),
            );
        }
        if *is_thief {
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
mod tests;
