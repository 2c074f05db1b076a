//! Indexes a tenant's revocations, and the sessions of each user.
//!
//! `strong`: a Durable Object per tenant holds both, and a revocation is one row. `eventual`: the namespace holds a key
//! per revocation and per session of a user. No key is read and rewritten, so writers cannot undo each other. Either
//! way the list is a hint: each listed session is looked up before it is used.

pub(crate) mod message;
pub(crate) mod object;

use crate::clock::{Seconds, UnixSeconds};
use crate::effect::{CALL_DEADLINE_MS, Class, Need, Write};
use crate::encoding;
use crate::keys::UserTag;
use crate::message::read;
use crate::policy::Consistency;
use crate::session::id::Handle;
use crate::session::record::Epoch;
use crate::store::revocations::Subject;

use crate::tenant_id::TenantId;

use message::{Command, Count, Page, Revoked};

/// Key of the answer to a feed request.
pub(crate) const FEED: &str = "feed";

/// Key of the answer to a revocation.
pub(crate) const REVOKED: &str = "revoked";

/// Key of the answer to a list request.
pub(crate) const LISTED: &str = "listed";

/// Key of the answer to a request for the number of sessions.
pub(crate) const COUNTED: &str = "counted";

/// Returns the prefix of a tenant's revocations in the namespace.
#[must_use]
pub(crate) fn revocation_prefix(tenant: &TenantId) -> String {
    format!("r:{tenant}:")
}

/// Returns the prefix of the session list in the namespace.
fn list_prefix(tenant: &TenantId, user: Option<UserTag>) -> String {
    match user {
        Some(tag) => format!("i:{tenant}:{}:", encoding::base64url(&tag)),
        None => format!("i:{tenant}:"),
    }
}

/// Builds the request for all revocations after `since`.
#[must_use]
pub(crate) fn ask_feed(tenant: &TenantId, consistency: Consistency, since: Epoch) -> Need {
    match consistency {
        Consistency::Strong => call(tenant, &Command::Feed { since: since.0 }, FEED),
        Consistency::Eventual => Need::List {
            prefix: revocation_prefix(tenant),
        },
    }
}

/// Returns the key of [`ask_feed`]'s answer.
#[must_use]
pub(crate) fn feed_key(tenant: &TenantId, consistency: Consistency) -> String {
    match consistency {
        Consistency::Strong => FEED.to_owned(),
        Consistency::Eventual => revocation_prefix(tenant),
    }
}

/// Builds the request that revokes subjects. The revocation is kept until no earlier session can exist.
#[must_use]
pub(crate) fn revoke(tenant: &TenantId, subjects: &[Subject], until: UnixSeconds) -> Need {
    let subjects = subjects.iter().map(|subject| subject.to_text()).collect();
    let command = Command::Revoke { subjects, until };
    call(tenant, &command, REVOKED)
}

/// Builds the namespace's key for one revocation.
#[must_use]
pub(crate) fn revocation(tenant: &TenantId, subject: Subject, epoch: Epoch, ttl: Seconds) -> Write {
    let prefix = revocation_prefix(tenant);
    Write {
        key: format!("{prefix}{}:{}", subject.to_text(), epoch.0),
        value: Vec::new(),
        ttl,
    }
}

/// Builds the namespace's key that lists a session.
#[must_use]
pub(crate) fn listing(tenant: &TenantId, user: UserTag, listed: &Listed, ttl: Seconds) -> Write {
    let prefix = list_prefix(tenant, Some(user));
    Write {
        key: format!("{prefix}{}:{}", listed.created.0, listed.handle.to_text()),
        value: Vec::new(),
        ttl,
    }
}

/// Builds the requests that list a user's sessions under each tag, or all of the tenant's.
#[must_use]
pub(crate) fn ask_list(
    tenant: &TenantId,
    consistency: Consistency,
    which: &Which<'_>,
) -> Vec<Need> {
    match consistency {
        Consistency::Strong => {
            let users = which
                .tags
                .map(|tags| tags.iter().map(|tag| encoding::base64url(tag)).collect());
            let command = Command::List {
                after: which.after.map(str::to_owned),
                limit: which.limit,
                users,
            };
            vec![call(tenant, &command, LISTED)]
        }
        Consistency::Eventual => list_keys(tenant, which.tags)
            .into_iter()
            .map(|prefix| Need::List { prefix })
            .collect(),
    }
}

/// Returns the prefixes that [`ask_list`] lists in a namespace.
#[must_use]
pub(crate) fn list_keys(tenant: &TenantId, tags: Option<&[UserTag]>) -> Vec<String> {
    match tags {
        None => vec![list_prefix(tenant, None)],
        Some(tags) => tags
            .iter()
            .map(|tag| list_prefix(tenant, Some(*tag)))
            .collect(),
    }
}

/// Builds the request for the number of sessions. Only the object counts them.
#[must_use]
pub(crate) fn ask_count(tenant: &TenantId) -> Need {
    call(tenant, &Command::Count {}, COUNTED)
}

/// Parses the object's answer to a request for the number of sessions.
#[must_use]
pub(crate) fn read_count(answer: &[u8]) -> Option<u64> {
    let count: Count = read(answer).ok()?;
    Some(count.sessions)
}

/// Selection of sessions to list.
pub(crate) struct Which<'a> {
    /// Tags of the user; `None` lists all of the tenant's sessions.
    pub tags: Option<&'a [UserTag]>,
    /// Cursor: the `next` of the previous page.
    pub after: Option<&'a str>,
    /// Maximum sessions on the page.
    pub limit: usize,
}

/// Listed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Handle of the session.
    pub handle: Handle,
    /// Time when it began.
    pub created: UnixSeconds,
}

/// Parses the object's answer to a list request: sessions and the next cursor.
#[must_use]
pub(crate) fn read_list(answer: &[u8]) -> Option<(Vec<Listed>, Option<String>)> {
    let page: Page = read(answer).ok()?;
    let listed = page.sessions.into_iter().filter_map(|one| {
        Some(Listed {
            handle: Handle::parse(&one.0)?,
            created: UnixSeconds(one.1),
        })
    });
    Some((listed.collect(), page.next))
}

/// Parses names of the namespace's list: `…:<created>:<handle>`.
pub(crate) fn read_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Listed> {
    names
        .filter_map(|name| {
            let mut parts = name.rsplit(':');
            Some(Listed {
                handle: Handle::parse(parts.next()?)?,
                created: UnixSeconds(parts.next()?.parse().ok()?),
            })
        })
        .collect()
}

/// Parses the epoch that a revocation was given.
#[must_use]
pub(crate) fn read_epoch(answer: &[u8]) -> Option<Epoch> {
    let revoked: Revoked = read(answer).ok()?;
    Some(Epoch(revoked.epoch))
}

/// Splits a namespace's answer to [`Need::List`] into names.
pub(crate) fn names(answer: &[u8]) -> impl Iterator<Item = &str> {
    let text = core::str::from_utf8(answer).unwrap_or_default();
    text.lines()
}

fn call(tenant: &TenantId, command: &Command, key: &str) -> Need {
    Need::Call {
        deadline_ms: CALL_DEADLINE_MS,
        class: Class::Directory,
        name: tenant.to_string(),
        command: command.to_text(),
        key: key.to_owned(),
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_parsed_from_key_names() {
        let tenant = TenantId::parse("t").unwrap();
        let listed = Listed {
            handle: Handle([1; 16]),
            created: UnixSeconds(17),
        };
        let write = listing(&tenant, [2; 16], &listed, Seconds(60));
        assert!(
            write
                .key
                .starts_with(&list_keys(&tenant, Some(&[[2; 16]]))[0])
        );
        let text = format!("{}\ni:t:x:rubbish\n", write.key);
        assert_eq!(read_names(names(text.as_bytes())), [listed]);
    }

    #[test]
    fn list_of_the_object_is_parsed_with_its_cursor() {
        let handle = Handle([1; 16]).to_text();
        let answer = format!(r#"{{"sessions":[["{handle}",17],["x",1]],"next":"n"}}"#);
        let (listed, next) = read_list(answer.as_bytes()).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(next.as_deref(), Some("n"));
        assert!(read_list(b"{}").is_none());
    }
}
