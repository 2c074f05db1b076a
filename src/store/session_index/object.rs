//! What a tenant's directory object makes of a command: points in history, who is one too many, pages, and what is
//! forgotten when. The Worker and the simulation both decide here; they differ only in what keeps the rows ([`Tables`]).

use thiserror::Error;

use super::message::{self, Command, Done, Feed, Page};
use crate::clock::{UnixMillis, UnixSeconds};
use crate::message::{MessageError, Pair, write};
use crate::rule::{Rule, holds};
use crate::sorted;
use crate::store::revocations::Subject;

/// How often what has run out is forgotten, in milliseconds.
const FORGET_EVERY_MS: u64 = 3_600_000;

/// Why rows could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TableError {
    /// In the database's words.
    #[error("the rows could not be read or written: {0}")]
    Database(String),
    /// A row holds something else.
    #[error("a row does not hold {0} where it should")]
    Cell(&'static str),
}

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// It is none that this release knows.
    #[error(transparent)]
    Unknown(#[from] MessageError),
    /// The rows could not be read or written. What was written before that stays: every command may be said again.
    #[error(transparent)]
    Tables(#[from] TableError),
}

/// A revocation as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revoked {
    /// Its point in history, in milliseconds.
    pub epoch: u64,
    /// Until when a session from before may still exist.
    pub until: UnixSeconds,
}

/// A session as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Its handle.
    pub session: String,
    /// The tag of its user; empty for a guest.
    pub user: String,
    /// When it began, in Unix seconds.
    pub created: u64,
    /// When it ends if it is not used any more.
    pub until: UnixSeconds,
}

/// What keeps the rows. Decides nothing.
pub(crate) trait Tables {
    /// The last point in history that was given; 0 if none was.
    ///
    /// # Errors
    /// As all of these: [`TableError`] if the rows cannot be had.
    fn last(&mut self) -> Result<u64, TableError>;

    /// Keeps the last point in history.
    ///
    /// # Errors
    /// [`TableError`]
    fn set_last(&mut self, epoch: u64) -> Result<(), TableError>;

    /// What is kept of a subject's revocation.
    ///
    /// # Errors
    /// [`TableError`]
    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, TableError>;

    /// Subjects revoked after a point in history and when, the earliest first.
    ///
    /// # Errors
    /// [`TableError`]
    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, TableError>;

    /// Keeps a subject's revocation in place of the one before.
    ///
    /// # Errors
    /// [`TableError`]
    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), TableError>;

    /// Keeps a session's listing in place of the one before. One that is listed already keeps its turn.
    ///
    /// # Errors
    /// [`TableError`]
    fn set_listing(&mut self, listing: &Listing) -> Result<(), TableError>;

    /// Takes a session off the list.
    ///
    /// # Errors
    /// [`TableError`]
    fn remove_listing(&mut self, session: &str) -> Result<(), TableError>;

    /// All listings of a user, in the order in which they were first listed.
    ///
    /// # Errors
    /// [`TableError`]
    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, TableError>;

    /// At most `most` listings of these users, or of all, by when they began and then by name: those after a
    /// place in that order.
    ///
    /// # Errors
    /// [`TableError`]
    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, TableError>;

    /// Forgets revocations and listings that ended before `now`.
    ///
    /// # Errors
    /// [`TableError`]
    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), TableError>;
}

/// A session that is one too many for its user. The object ends it once, without waiting. If that fails the
/// session stays on the list, and the next one that is listed tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Surplus {
    /// The session's handle.
    pub session: String,
    /// The name of its object.
    pub object: String,
    /// The command that ends it.
    pub command: String,
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The answer, as JSON.
    pub answer: String,
    /// The sessions to end.
    pub surplus: Vec<Surplus>,
}

/// The directory object of a tenant, in memory.
#[derive(Debug, Default)]
pub(crate) struct DirectoryObject {
    /// When what has run out was last forgotten.
    forgot: UnixMillis,
}

impl DirectoryObject {
    /// Takes a command for a tenant. Nothing may be awaited between reading and writing the rows.
    ///
    /// # Errors
    /// [`Failure`]
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

/// Points in history are milliseconds, so that they go on rising whatever is forgotten, and each is given once.
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
        // What is over counts no more, though its object takes it off the list only when the namespace has its end.
        if let Some(Subject::Session(handle)) = Subject::parse(subject)
            && holds(Rule::EndedUnlisted)
        {
            tables.remove_listing(&handle.to_text())?;
        }
    }
    Ok(message::Revoked { epoch })
}

/// Lists a session; returns those of its user that are too many, the oldest. What has run out counts no more.
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
    // Of those that began in the same second the one listed first is the older one.
    if holds(Rule::SurplusOldestFirst) {
        sorted::by(&mut theirs, |one, other| one.created.cmp(&other.created));
    }
    let surplus = theirs
        .len()
        .saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    theirs.truncate(surplus);
    Ok(theirs.into_iter().map(|one| one.session).collect())
}

/// A page of those that have not run out, and what the next one begins after.
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
    // One more than is shown, to know whether there is more.
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
