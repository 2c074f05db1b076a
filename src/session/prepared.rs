//! Prepares a live session: header values that each request carries are written once.

use crate::keys::{KeyRing, UserTag};

use super::data::Data;
use super::identity::Identity;
use super::names::{header_list, header_text};
use super::record::Record;
use super::token_set::TokenSet;

/// A live record with the texts that every request needs, made once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// The record.
    pub record: Record,
    /// `X-Session-Id`.
    pub handle: String,
    /// `X-Session-Data`; none while there is no data.
    pub data: Option<String>,
    /// `X-Session-User`, `-Email`, `-Name`, `-Groups` and `-Groups-Omitted`, a line each; empty for a guest.
    pub identity: String,
    /// What its user is listed under; none for a guest.
    pub tags: Vec<UserTag>,
    /// What revocations concern it: its user's, and its sign-in's at a provider.
    pub revocation_subjects: Vec<UserTag>,
}

impl Prepared {
    /// Makes the texts.
    #[must_use]
    pub(crate) fn new(record: Record, keys: &KeyRing) -> Self {
        let identity = record.identity.as_ref();
        let tags: Vec<UserTag> =
            identity.map_or_else(Vec::new, |who| keys.user_tags(&who.user).collect());
        let mut revocation_subjects = tags.clone();
        for subject in record.grant.iter().flat_map(TokenSet::subjects) {
            revocation_subjects.extend(keys.user_tags(&subject));
        }
        Self {
            handle: record.public_name(),
            data: Data::to_header(&record.data),
            tags,
            revocation_subjects,
            identity: identity.map_or_else(String::new, identity_lines),
            record,
        }
    }

    /// Approximately how many bytes its texts have.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let header = self.data.as_ref().map_or(0, String::len);
        let kept =
            self.record.vault.weight() + self.record.grant.as_ref().map_or(0, TokenSet::weight);
        header + self.record.data.to_json().len() + 2 * self.identity.len() + kept
    }

    /// Whether it was changed, or used, after another copy of the session.
    #[must_use]
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let age = |prepared: &Self| (prepared.record.version, prepared.record.seen);
        age(self) > age(other)
    }
}

fn identity_lines(who: &Identity) -> String {
    let text = |text: Option<&str>| text.map(header_text).unwrap_or_default();
    let omitted = match who.groups_omitted {
        0 => String::new(),
        omitted => omitted.to_string(),
    };
    [
        text(Some(&who.user)),
        text(who.email.as_deref()),
        text(who.name.as_deref()),
        header_list(&who.groups),
        omitted,
    ]
    .join("\n")
}
