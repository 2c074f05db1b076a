//! What a session's object still has to do elsewhere: tell the directory that the session ended, or
//! that its id was replaced; show the record to the namespace; keep the directory's list. Each is in
//! the row until it is done, so each is done at least once; all of them may be repeated.

use crate::clock::{Seconds, UnixMillis};
use crate::effect::Write;
use crate::encoding;
use crate::rule::{Rule, holds};
use crate::session::change::Change;
use crate::session::id::{Handle, RecordName};
use crate::session::lifetime::{Lifetime, stored_until};
use crate::session::record::{Epoch, Version};
use crate::session_object::command::{Command, Operation, UpdateCommand};
use crate::session_object::row::{BadRow, Row};
use crate::store::revocations::Subject;
use crate::store::session_index::message as directory;
use crate::tenant_id::TenantId;

/// The namespace takes one write a second per key.
const SPACING_MS: u64 = 1_000;

/// How long after the end of a session its object keeps the row.
const FORGET_AFTER: Seconds = Seconds(60);

/// How long single sessions stay in the feed: far longer than the namespace takes to show the
/// tombstone everywhere. While that is not written, the feed gets it again with every attempt.
const ANNOUNCED_FOR: Seconds = Seconds(600);

/// The longest pause between two attempts.
const MAX_PAUSE_MS: u64 = 60_000;

/// What to do next.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum OutboxItem {
    /// Say this to the directory, then [`done`].
    Directory(String),
    /// Store this, then [`done`].
    Write(Write),
    /// Nothing before then.
    Sleep(UnixMillis),
    /// The row serves nobody any more; delete it.
    Forget,
}

/// Which outbox item was run; handed from [`next`] to [`done`] with the row's serial number, so that a
/// change in between is not taken for done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The end, or the new id, was announced.
    Announce,
    /// The record was stored.
    Write,
    /// The list was kept.
    List,
}

/// An outbox item under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// What it is.
    pub kind: Kind,
    /// The row's serial number when it was begun.
    pub serial: u64,
}

/// What to do next for `handle`, and what to say to [`done`] afterwards.
///
/// # Errors
/// [`BadRow`].
pub(crate) fn next(
    tenant: &TenantId,
    handle: Handle,
    row: &[u8],
    now: UnixMillis,
) -> Result<(OutboxItem, Option<Running>), BadRow> {
    let row = Row::decode(row)?;
    if !(row.announce_due || row.namespace_due || row.list_due) {
        let forget_at = UnixMillis((row.expires() + FORGET_AFTER).0.saturating_mul(1000));
        let serves_nobody =
            (now >= forget_at && holds(Rule::RowForgotten)) || !holds(Rule::RowKept);
        let outbox_item = if serves_nobody {
            OutboxItem::Forget
        } else {
            OutboxItem::Sleep(forget_at)
        };
        return Ok((outbox_item, None));
    }
    if now.0 < row.retry_at && holds(Rule::OutboxPause) {
        return Ok((OutboxItem::Sleep(UnixMillis(row.retry_at)), None));
    }
    let run = |kind, outbox_item| {
        let serial = row.serial;
        Ok((outbox_item, Some(Running { kind, serial })))
    };
    let is_first = holds(Rule::AnnounceFirst) || !row.namespace_due;
    if row.announce_due && is_first {
        let until = now.seconds() + ANNOUNCED_FOR;
        let subject = if row.is_ended {
            Subject::Session(handle)
        } else {
            Subject::Before(handle, Version(row.replaced_with))
        };
        let subjects = vec![subject.to_text()];
        let command = directory::Command::Revoke { subjects, until };
        return run(Kind::Announce, OutboxItem::Directory(command.to_text()));
    }
    if row.namespace_due {
        let free_at = row.namespace_at + SPACING_MS;
        if now.0 >= free_at {
            let name = RecordName::derive(tenant, handle);
            let ttl = stored_until(row.expires(), now.seconds());
            return run(
                Kind::Write,
                OutboxItem::Write(Write::new(name.as_str(), row.sealed.clone(), ttl)),
            );
        }
        if !row.list_due {
            return Ok((OutboxItem::Sleep(UnixMillis(free_at)), None));
        }
    }
    run(
        Kind::List,
        OutboxItem::Directory(list_command(&row, handle)),
    )
}

fn list_command(row: &Row, handle: Handle) -> String {
    let session = handle.to_text();
    let command = match row.listed() {
        Some(tag) => directory::Command::ListIn {
            created: row.created,
            end: end_command(Seconds(row.longest)).to_text(),
            most: row.most,
            session,
            until: row.listed_until(),
            user: encoding::base64url(tag),
        },
        None => directory::Command::ListOut { session },
    };
    command.to_text()
}

/// What ends a session that is one too many for its user.
fn end_command(longest: Seconds) -> Command {
    let end = Change {
        end: true,
        ..Change::default()
    };
    Command {
        lifetime: Lifetime {
            idle: longest,
            absolute: longest,
            remember: longest,
        },
        max_per_user: None,
        adopt: None,
        named: None,
        // Ending twice is ending once, so it need not be told apart.
        order: Operation::Change(Box::new(UpdateCommand::new(end, 0, Epoch::default()))),
    }
}

/// The row as an object finds it that was started again. What was being written when the one before
/// it ended may have been written a moment ago.
///
/// # Errors
/// [`BadRow`].
pub(crate) fn resumed(row: &[u8], now: UnixMillis) -> Result<Vec<u8>, BadRow> {
    let mut row = Row::decode(row)?;
    if row.namespace_due {
        row.namespace_at = now.0;
    }
    Ok(row.encode())
}

/// Whether everybody has heard of the end, or of the new id, as far as there was one.
pub(super) fn is_announced(row: &[u8]) -> bool {
    Row::decode(row).is_ok_and(|row| !row.announce_due)
}

/// The row after an outbox item was run.
///
/// # Errors
/// [`BadRow`].
pub(crate) fn done(
    row: &[u8],
    running: Running,
    succeeded: bool,
    now: UnixMillis,
) -> Result<Vec<u8>, BadRow> {
    let mut row = Row::decode(row)?;
    if running.kind == Kind::Write {
        row.namespace_at = now.0;
    }
    if succeeded || !holds(Rule::OutboxRetry) {
        row.retries = 0;
        row.retry_at = 0;
        if running.serial == row.serial || !holds(Rule::OutboxSerial) {
            match running.kind {
                Kind::Announce => row.announce_due = false,
                Kind::Write => row.namespace_due = false,
                Kind::List => row.list_due = false,
            }
        }
    } else {
        row.retries += 1;
        let pause = 500_u64 << row.retries.min(8);
        row.retry_at = now.0 + pause.min(MAX_PAUSE_MS);
        // What could not be shown to the namespace must stay in the feed meanwhile.
        let has_news = (row.is_ended || row.replaced_with > 0) && holds(Rule::AnnounceAgain);
        row.announce_due |= running.kind == Kind::Write && has_news;
    }
    Ok(row.encode())
}
