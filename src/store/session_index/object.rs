//! Decides a tenant's directory object: epochs, surplus sessions, pages, and expiry. The Worker and the simulation run
//! this code; they differ only in the storage of the rows ([`Tables`]).

use thiserror::Error;

use super::message::{self, Command, Count, Done, Feed, Page};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::message::{MessageError, Pair, write};
use crate::rule::{Rule, holds};
use crate::sorted;
use crate::store::revocations::Subject;

/// Interval between deletions of expired rows, in milliseconds.
const FORGET_EVERY_MS: u64 = 3_600_000;

/// Time for which a count of the sessions is used again, in milliseconds: counting reads a row per session.
const COUNT_EVERY_MS: u64 = 10_000;

/// Error of reading or writing rows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TableError {
    /// Error text of the database.
    #[error("the rows could not be read or written: {0}")]
    Database(String),
    /// A row has a value of the wrong type.
    #[error("a row does not hold {0} where it should")]
    Cell(&'static str),
}

/// Reason why a command failed.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// This release does not know the command.
    #[error(transparent)]
    Unknown(#[from] MessageError),
    /// The rows could not be read or written. Earlier writes of the command stay: every command may be repeated.
    #[error(transparent)]
    Tables(#[from] TableError),
}

/// Stored revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revoked {
    /// Its epoch, in milliseconds.
    pub epoch: u64,
    /// Time until which an earlier session may still exist.
    pub until: UnixSeconds,
}

/// Listed session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Its handle.
    pub session: String,
    /// Tag of its user; empty for a guest.
    pub user: String,
    /// Time when it began, in Unix seconds.
    pub created: u64,
    /// Time when it ends without further use.
    pub until: UnixSeconds,
}

/// Storage of the rows. Decides nothing.
pub(crate) trait Tables {
    /// Returns the last epoch; 0 if there is none.
    ///
    /// # Errors
    /// All methods return [`TableError`] if the rows are unavailable.
    fn last(&mut self) -> Result<u64, TableError>;

    /// Stores the last epoch.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn set_last(&mut self, epoch: u64) -> Result<(), TableError>;

    /// Returns a subject's revocation.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, TableError>;

    /// Returns subjects revoked after an epoch and their epochs, earliest first.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, TableError>;

    /// Stores a subject's revocation and replaces an earlier one.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), TableError>;

    /// Stores a session's listing and replaces an earlier one, whose position it keeps.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn set_listing(&mut self, listing: &Listing) -> Result<(), TableError>;

    /// Removes a session from the list.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn remove_listing(&mut self, session: &str) -> Result<(), TableError>;

    /// Returns all listings of a user, in the order in which they were first listed.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, TableError>;

    /// Returns at most `most` listings of these users, or of all, after a position. They are ordered by begin, then by
    /// handle.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, TableError>;

    /// Returns the number of listings that end after `now`.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn count_after(&mut self, now: UnixSeconds) -> Result<u64, TableError>;

    /// Deletes revocations and listings that ended before `now`.
    ///
    /// # Errors
    /// Returns [`TableError`].
    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), TableError>;
}

/// Surplus session of a user. The object ends it once, without waiting. If that fails, the session stays listed, and
/// the next listing tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surplus {
    /// Handle of the session.
    pub session: String,
    /// Name of its object.
    pub object: String,
    /// Command that ends it.
    pub command: String,
}

/// Result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Answer as JSON.
    pub answer: String,
    /// Sessions to end.
    pub surplus: Vec<Surplus>,
}

/// In-memory state of a tenant's directory object.
#[derive(Debug, Default)]
pub(crate) struct DirectoryObject {
    /// Time when expired rows were last deleted.
    forgot: UnixMillis,
    /// Number of sessions, and the time when they were counted.
    counted: Option<(Count, UnixMillis)>,
}

impl DirectoryObject {
    /// Applies a command for a tenant. The caller must await nothing between reading and writing the rows.
    ///
    /// # Errors
    /// Returns [`Failure`].
    pub(crate) fn command(
        &mut self,
        tables: &mut impl Tables,
        tenant: &str,
        command: &str,
        now: UnixMillis,
    ) -> Result<Outcome, Failure> {
        let command = Command::parse(command)?;
        if holds(Rule::PurgeExpired) && now.millis_since(self.forgot) >= FORGET_EVERY_MS {
            tables.forget_before(now.seconds())?;
            self.forgot = now;
        }
        let mut surplus = Vec::new();
        let answer = match command {
            Command::Feed { since } => write(&feed(tables, since)?),
            Command::Revoke { subjects, until } => write(&revoke(tables, &subjects, until, now)?),
            Command::ListIn {
                created,
                end,
                most,
                session,
                until,
                user,
            } => {
                let listing = Listing {
                    session,
                    user,
                    created,
                    until,
                };
                let sessions = list_in(tables, &listing, most, now.seconds())?;
                let one = |session: String| Surplus {
                    object: format!("{tenant}/{session}"),
                    command: end.clone(),
                    session,
                };
                surplus = sessions.into_iter().map(one).collect();
                write(&Done {})
            }
            Command::ListOut { session } => {
                tables.remove_listing(&session)?;
                write(&Done {})
            }
            Command::Count {} => write(&self.count(tables, now)?),
            Command::List {
                after,
                limit,
                users,
            } => write(&list(
                tables,
                after,
                limit,
                users.as_deref(),
                now.seconds(),
            )?),
        };
        Ok(Outcome { answer, surplus })
    }

    fn count(&mut self, tables: &mut impl Tables, now: UnixMillis) -> Result<Count, TableError> {
        match self.counted {
            Some((count, at)) if now.millis_since(at) < COUNT_EVERY_MS => Ok(count),
            _ => {
                let sessions = tables.count_after(now.seconds())?;
                let count = Count { sessions };
                self.counted = Some((count, now));
                Ok(count)
            }
        }
    }
}

fn feed(tables: &mut impl Tables, since: u64) -> Result<Feed, TableError> {
    let revoked = tables.revoked_after(since)?.into_iter();
    Ok(Feed {
        epoch: tables.last()?,
        revoked: revoked
            .map(|(subject, epoch)| Pair(subject, epoch))
            .collect(),
    })
}

/// Revokes subjects. Epochs are milliseconds, so they keep increasing after rows are deleted, and each is used once.
fn revoke(
    tables: &mut impl Tables,
    subjects: &[String],
    until: UnixSeconds,
    now: UnixMillis,
) -> Result<message::Revoked, TableError> {
    let rises_by = u64::from(holds(Rule::UniqueEpoch));
    let epoch = now.0.max(tables.last()?.saturating_add(rises_by));
    if holds(Rule::StoredLastEpoch) {
        tables.set_last(epoch)?;
    }
    for subject in subjects {
        let before = tables.revoked(subject)?;
        let before = before.filter(|_| holds(Rule::LongestUntil));
        let until = before.map_or(until, |before| before.until.max(until));
        tables.set_revoked(subject, Revoked { epoch, until })?;
        // A revoked session no longer counts, although its object removes it from the list only after the namespace
        // shows its end.
        if let Some(Subject::Session(handle)) = Subject::parse(subject)
            && holds(Rule::EndedUnlisted)
        {
            tables.remove_listing(&handle.to_text())?;
        }
    }
    Ok(message::Revoked { epoch })
}

/// Lists a session. Returns the oldest surplus sessions of its user; expired sessions do not count.
fn list_in(
    tables: &mut impl Tables,
    listing: &Listing,
    most: Option<u64>,
    now: UnixSeconds,
) -> Result<Vec<String>, TableError> {
    tables.set_listing(listing)?;
    let most = most.filter(|_| holds(Rule::SurplusEnds));
    let (Some(most), false) = (most, listing.user.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut theirs = tables.listings_of(&listing.user)?;
    theirs.retain(|one| now < one.until || !holds(Rule::SurplusCountsLive));
    // Of sessions from the same second the one listed first is older.
    if holds(Rule::SurplusOldestFirst) {
        sorted::by(&mut theirs, |one, other| one.created.cmp(&other.created));
    }
    let surplus = theirs
        .len()
        .saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    theirs.truncate(surplus);
    Ok(theirs.into_iter().map(|one| one.session).collect())
}

/// Returns a page of unexpired sessions, and the cursor of the next page.
fn list(
    tables: &mut impl Tables,
    after: Option<String>,
    limit: usize,
    users: Option<&[String]>,
    now: UnixSeconds,
) -> Result<Page, TableError> {
    let mut after = after.map(|after| {
        let (created, session) = after.split_once(':').unwrap_or((&after, ""));
        (created.parse().unwrap_or(0), session.to_owned())
    });
    let mut page: Vec<Listing> = Vec::new();
    // One extra entry shows whether there is another page.
    let most = limit.saturating_add(1);
    while page.len() < most {
        let found = tables.listings_after(users, after.as_ref(), most)?;
        let is_all = found.len() < most;
        if let Some(last) = found.last() {
            after = Some((last.created, last.session.clone()));
        }
        page.extend(found.into_iter().filter(|one| now < one.until));
        if is_all {
            break;
        }
    }
    let has_more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| has_more);
    Ok(Page {
        next: next.map(|one| format!("{}:{}", one.created, one.session)),
        sessions: page
            .into_iter()
            .map(|one| Pair(one.session, one.created))
            .collect(),
    })
}

pub(crate) mod sql;

#[cfg(test)]
pub(crate) mod memory;

#[cfg(test)]
mod tests;
