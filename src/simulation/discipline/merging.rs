//! Checks the values that isolates merge with what storage shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulation::history::{Mark, Violation, What};

/// Sessions with changes to merge, by isolate and key.
#[derive(Default)]
pub(super) struct Merging(BTreeMap<(u64, String), Unstored>);

#[derive(Default)]
struct Unstored {
    /// Latest version that storage is known to have had.
    stored: u64,
    /// Marks that the isolate confirmed, with the version of each, and marks that a later version showed.
    confirmed: BTreeMap<Mark, u64>,
    shown: BTreeSet<Mark>,
    has_ended: bool,
}

impl Merging {
    pub(super) fn take(&mut self, at: u64, what: &What) -> Option<Violation> {
        match what {
            What::Confirmed {
                isolate,
                key,
                version,
                mark,
            } => {
                let place = (*isolate, key.clone());
                let unstored = self.0.entry(place).or_insert_with(|| Unstored {
                    stored: version - 1,
                    ..Unstored::default()
                });
                unstored.confirmed.insert(*mark, *version);
            }
            What::Shown {
                isolate,
                key,
                shown,
            } => {
                let unstored = self.0.get_mut(&(*isolate, key.clone()))?;
                match shown {
                    None => unstored.has_ended = true,
                    Some((version, marks)) if *version > unstored.stored => {
                        unstored.stored = *version;
                        unstored.shown.clone_from(marks);
                    }
                    Some(_) => {}
                }
            }
            What::Merged {
                isolate,
                key,
                marks,
            } => {
                let unstored = self.0.get(&(*isolate, key.clone()))?;
                if unstored.has_ended {
                    let what = format!("{key} is put after its end, at {at}");
                    return Some(Violation("P18", what));
                }
                let needed = unstored.confirmed.keys().chain(&unstored.shown);
                let missing: Vec<&Mark> = needed.filter(|mark| !marks.contains(mark)).collect();
                if !missing.is_empty() {
                    let what = format!("{key} is put without {missing:?}, at {at}");
                    return Some(Violation("P17", what));
                }
            }
            What::Settled {
                isolate,
                key,
                oldest,
            } => {
                let place = (*isolate, key.clone());
                match (oldest, self.0.get_mut(&place)) {
                    (Some(oldest), Some(unstored)) => {
                        unstored.confirmed.retain(|_, version| *version >= *oldest);
                        unstored.stored = unstored.stored.max(oldest - 1);
                    }
                    _ => {
                        self.0.remove(&place);
                    }
                }
            }
            // What was lost is not known by its mark.
            What::Dropped { isolate } | What::Lost { isolate } => {
                let theirs = self.0.iter_mut().filter(|((other, _), _)| other == isolate);
                theirs.for_each(|(_, unstored)| unstored.confirmed.clear());
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confirmed(mark: Mark) -> What {
        What::Confirmed {
            isolate: 1,
            key: "k".to_owned(),
            version: 2,
            mark,
        }
    }

    fn shown(shown: Option<(u64, &[Mark])>) -> What {
        What::Shown {
            isolate: 1,
            key: "k".to_owned(),
            shown: shown.map(|(version, marks)| (version, marks.iter().copied().collect())),
        }
    }

    fn merged(marks: &[Mark]) -> What {
        What::Merged {
            isolate: 1,
            key: "k".to_owned(),
            marks: marks.iter().copied().collect(),
        }
    }

    fn broken(history: &[What]) -> Vec<&'static str> {
        let mut merging = Merging::default();
        let broken = history.iter().filter_map(|what| merging.take(0, what));
        broken.map(|violation| violation.0).collect()
    }

    #[test]
    fn lost_marks_are_detected() {
        let later = shown(Some((2, &[1, 7])));
        assert_eq!(
            broken(&[confirmed(2), later.clone(), merged(&[1, 2, 7])]),
            [""; 0]
        );
        assert_eq!(
            broken(&[confirmed(2), later.clone(), merged(&[1, 2])]),
            ["P17"]
        );
        assert_eq!(broken(&[confirmed(2), later, merged(&[1, 7])]), ["P17"]);
        let stale = shown(Some((1, &[7])));
        assert_eq!(broken(&[confirmed(2), stale, merged(&[2])]), [""; 0]);
    }

    #[test]
    fn revived_session_is_detected() {
        assert_eq!(broken(&[confirmed(2), shown(None), merged(&[2])]), ["P18"]);
    }
}
