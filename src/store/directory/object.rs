//! What a tenant's directory object makes of a command: points in history, who is one too many, pages, and what is
//! forgotten when. The Worker and the simulation both decide here; they differ only in what keeps the rows ([`Tables`]).

use serde_json::{Value, json};
use thiserror::Error;

use crate::clock::{UnixMillis, UnixSeconds};
use crate::encoding;

/// How often what has run out is forgotten, in milliseconds.
const FORGET_EVERY_MS: u64 = 3_600_000;

/// The rows could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the rows could not be read or written")]
pub struct Unkept;

/// Why a command came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// It is none that this release knows.
    #[error("the command is not one that this release knows")]
    Unknown,
    /// The rows could not be read or written. What was written before that stays: every command may be said again.
    #[error("the rows could not be read or written")]
    Unkept,
}

impl From<Unkept> for Failure {
    fn from(_: Unkept) -> Self {
        Self::Unkept
    }
}

/// A revocation as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// Its point in history, in milliseconds.
    pub epoch: u64,
    /// Until when a session from before may still exist.
    pub until: UnixSeconds,
}

/// A session as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
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
pub trait Tables {
    /// The last point in history that was given; 0 if none was.
    ///
    /// # Errors
    /// As all of these: [`Unkept`] if the rows cannot be had.
    fn last(&mut self) -> Result<u64, Unkept>;

    /// Keeps the last point in history.
    ///
    /// # Errors
    /// [`Unkept`]
    fn set_last(&mut self, epoch: u64) -> Result<(), Unkept>;

    /// What is kept of a subject's revocation.
    ///
    /// # Errors
    /// [`Unkept`]
    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, Unkept>;

    /// Subjects revoked after a point in history and when, the earliest first.
    ///
    /// # Errors
    /// [`Unkept`]
    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, Unkept>;

    /// Keeps a subject's revocation in place of the one before.
    ///
    /// # Errors
    /// [`Unkept`]
    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), Unkept>;

    /// Keeps a session's listing in place of the one before. One that is listed already keeps its turn.
    ///
    /// # Errors
    /// [`Unkept`]
    fn set_listing(&mut self, listing: &Listing) -> Result<(), Unkept>;

    /// Takes a session off the list.
    ///
    /// # Errors
    /// [`Unkept`]
    fn remove_listing(&mut self, session: &str) -> Result<(), Unkept>;

    /// All listings of a user, in the order in which they were first listed.
    ///
    /// # Errors
    /// [`Unkept`]
    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, Unkept>;

    /// At most `most` listings of these users, or of all, by when they began and then by name: those after a
    /// place in that order.
    ///
    /// # Errors
    /// [`Unkept`]
    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, Unkept>;

    /// Forgets revocations and listings that ended before `now`.
    ///
    /// # Errors
    /// [`Unkept`]
    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), Unkept>;
}

/// A session that is one too many for its user. The object ends it once, without waiting. If that fails the
/// session stays on the list, and the next one that is listed tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surplus {
    /// The session's handle.
    pub session: String,
    /// The name of its object.
    pub object: String,
    /// The command that ends it.
    pub command: String,
}

/// What follows from a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The answer, as JSON.
    pub answer: String,
    /// The sessions to end.
    pub surplus: Vec<Surplus>,
}

/// The directory object of a tenant, in memory.
#[derive(Debug, Default)]
pub struct DirectoryObject {
    /// When what has run out was last forgotten.
    forgot: UnixMillis,
}

impl DirectoryObject {
    /// Takes a command for a tenant. Nothing may be awaited between reading and writing the rows.
    ///
    /// # Errors
    /// [`Failure`]
    pub fn command(
        &mut self,
        tables: &mut impl Tables,
        tenant: &str,
        command: &str,
        now: UnixMillis,
    ) -> Result<Outcome, Failure> {
        let command = encoding::json(command.as_bytes()).ok_or(Failure::Unknown)?;
        if now.millis_since(self.forgot) >= FORGET_EVERY_MS {
            tables.forget_before(now.seconds())?;
            self.forgot = now;
        }
        let mut surplus = Vec::new();
        let answer = match text(&command, "do").ok_or(Failure::Unknown)? {
            "feed" => feed(tables, number(&command, "since")?)?,
            "revoke" => revoke(tables, &command, now)?,
            "list-in" => {
                let end = text(&command, "end").unwrap_or_default();
                let sessions = list_in(tables, &command, now.seconds())?;
                let one = |session: String| Surplus {
                    object: format!("{tenant}/{session}"),
                    command: end.to_owned(),
                    session,
                };
                surplus = sessions.into_iter().map(one).collect();
                json!({})
            }
            "list-out" => {
                tables.remove_listing(text(&command, "session").ok_or(Failure::Unknown)?)?;
                json!({})
            }
            "list" => list(tables, &command, now.seconds())?,
            _ => return Err(Failure::Unknown),
        };
        Ok(Outcome {
            answer: answer.to_string(),
            surplus,
        })
    }
}

fn feed(tables: &mut impl Tables, since: u64) -> Result<Value, Failure> {
    let revoked = tables.revoked_after(since)?;
    Ok(json!({ "epoch": tables.last()?, "revoked": revoked }))
}

/// Points in history are milliseconds, so that they go on rising whatever is forgotten, and each is given once.
fn revoke(tables: &mut impl Tables, command: &Value, now: UnixMillis) -> Result<Value, Failure> {
    let until = UnixSeconds(number(command, "until")?);
    let subjects = command.get("subjects").and_then(Value::as_array);
    let subjects = subjects.ok_or(Failure::Unknown)?;
    let epoch = now.0.max(tables.last()?.saturating_add(1));
    tables.set_last(epoch)?;
    for subject in subjects.iter().filter_map(Value::as_str) {
        let before = tables.revoked(subject)?;
        let until = before.map_or(until, |before| before.until.max(until));
        tables.set_revoked(subject, Revoked { epoch, until })?;
    }
    Ok(json!({ "epoch": epoch }))
}

/// Lists a session; returns those of its user that are too many, the oldest. What has run out counts no more.
fn list_in(
    tables: &mut impl Tables,
    command: &Value,
    now: UnixSeconds,
) -> Result<Vec<String>, Failure> {
    let owned = |name: &str| {
        text(command, name)
            .map(str::to_owned)
            .ok_or(Failure::Unknown)
    };
    let listing = Listing {
        session: owned("session")?,
        user: owned("user")?,
        created: number(command, "created")?,
        until: UnixSeconds(number(command, "until")?),
    };
    tables.set_listing(&listing)?;
    let most = command.get("most").and_then(Value::as_u64);
    let (Some(most), false) = (most, listing.user.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut theirs = tables.listings_of(&listing.user)?;
    theirs.retain(|one| now < one.until);
    // Of those that began in the same second the one listed first is the older one.
    theirs.sort_by_key(|one| one.created);
    let surplus = theirs
        .len()
        .saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    theirs.truncate(surplus);
    Ok(theirs.into_iter().map(|one| one.session).collect())
}

/// A page of those that have not run out, and what the next one begins after.
fn list(tables: &mut impl Tables, command: &Value, now: UnixSeconds) -> Result<Value, Failure> {
    let users = command.get("users").and_then(Value::as_array);
    let users: Option<Vec<String>> = users.map(|users| {
        let names = users.iter().filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    });
    let limit = usize::try_from(number(command, "limit")?).map_err(|_| Failure::Unknown)?;
    let mut after = text(command, "after").map(|after| {
        let (created, session) = after.split_once(':').unwrap_or((after, ""));
        (created.parse().unwrap_or(0), session.to_owned())
    });
    let mut page: Vec<Listing> = Vec::new();
    // One more than is shown, to know whether there is more.
    let most = limit.saturating_add(1);
    while page.len() < most {
        let found = tables.listings_after(users.as_deref(), after.as_ref(), most)?;
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
    Ok(json!({
        "sessions": page.iter().map(|one| json!([one.session, one.created])).collect::<Vec<_>>(),
        "next": next.map(|one| format!("{}:{}", one.created, one.session)),
    }))
}

fn text<'a>(command: &'a Value, name: &str) -> Option<&'a str> {
    command.get(name).and_then(Value::as_str)
}

fn number(command: &Value, name: &str) -> Result<u64, Failure> {
    command
        .get(name)
        .and_then(Value::as_u64)
        .ok_or(Failure::Unknown)
}

pub mod sql;

#[cfg(test)]
pub(crate) mod memory;

#[cfg(test)]
mod tests;
