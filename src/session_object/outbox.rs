//! Decides the outbox work of a session's object: announce an end or replaced id to the directory, write the record to
//! the namespace, and maintain the directory's list. Each item stays in the row until done, so it happens at least once
//! and must be repeatable.

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

/// Minimum interval between writes of one key, in milliseconds, which the namespace imposes.
const SPACING_MS: u64 = 1_000;

/// Time after a session's end for which its object keeps the row.
const FORGET_AFTER: Seconds = Seconds(60);

/// Time for which a single session stays in the feed: far longer than the namespace needs to show the tombstone
/// everywhere. Each failed write of the tombstone announces it again.
const ANNOUNCED_FOR: Seconds = Seconds(600);

/// Maximum delay between two attempts, in milliseconds.
const MAX_PAUSE_MS: u64 = 60_000;

/// Next work of an outbox.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum OutboxItem {
    /// Send this command to the directory, then call [`done`].
    Directory(String),
    /// Store this value, then call [`done`].
    Write(Write),
    /// Do nothing before this time.
    Sleep(UnixMillis),
    /// Delete the row, which has no use any more.
    Forget,
}

/// Kind of an outbox item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Announcement of the end or new id.
    Announce,
    /// Write of the record to the namespace.
    Write,
    /// Update of the directory's list.
    List,
}

/// Outbox item in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Running {
    /// Kind of the item.
    pub kind: Kind,
    /// Serial number of the row when the item began; a change meanwhile is then not taken as done.
    pub serial: u64,
}

/// Returns the next work for `handle`, and the value to pass to [`done`] afterwards.
///
/// # Errors
/// Returns [`BadRow`] if the row is invalid.
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

/// Builds the command that ends a surplus session of its user.
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
        // Ending is idempotent, so the command needs no key.
        order: Operation::Change(Box::new(UpdateCommand::new(end, 0, Epoch::default()))),
    }
}

/// Prepares the row after a restart of the object: assumes that an interrupted write was sent just now.
///
/// # Errors
/// Returns [`BadRow`] if the row is invalid.
pub(crate) fn resumed(row: &[u8], now: UnixMillis) -> Result<Vec<u8>, BadRow> {
    let mut row = Row::decode(row)?;
    if row.namespace_due {
        row.namespace_at = now.0;
    }
    Ok(row.encode())
}

/// Returns whether no announcement is pending.
pub(super) fn is_announced(row: &[u8]) -> bool {
    Row::decode(row).is_ok_and(|row| !row.announce_due)
}

/// Returns the row after an outbox item ended.
///
/// # Errors
/// Returns [`BadRow`] if the row is invalid.
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
        // The feed must show an end or new id until the namespace does.
        let has_news = (row.is_ended || row.replaced_with > 0) && holds(Rule::AnnounceAgain);
        row.announce_due |= running.kind == Kind::Write && has_news;
    }
    Ok(row.encode())
}
