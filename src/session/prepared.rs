//! Prepares a live session: computes the header values that every request needs once.

use crate::keys::{KeyRing, UserTag};

use super::data::Data;
use super::identity::Identity;
use super::names::{header_list, header_text};
use super::record::Record;
use super::token_set::TokenSet;

/// Live record with the header values of its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prepared {
    /// Record of the session.
    pub record: Record,
    /// Value of `X-Session-Id`.
    pub handle: String,
    /// Value of `X-Session-Data`; `None` without data.
    pub data: Option<String>,
    /// Values of `X-Session-User`, `-Email`, `-Name`, `-Groups` and `-Groups-Omitted`, one per line; empty for a guest.
    pub identity: String,
    /// Tags that its user is listed under; empty for a guest.
    pub tags: Vec<UserTag>,
    /// Subjects of the revocations that apply: its user, and its sign-in at a provider.
    pub revocation_subjects: Vec<UserTag>,
}

impl Prepared {
    /// Computes the header values of a record.
    #[must_use]
    pub(crate) fn new(record: Record, keys: &KeyRing) -> Self {
        let identity = record.identity.as_ref();
        let tags: Vec<UserTag> = identity.map_or_else(Vec::new, |identity| {
            keys.user_tags(&identity.user).collect()
        });
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

    /// Returns the approximate bytes of its texts.
    #[must_use]
    pub(crate) fn weight(&self) -> usize {
        let header = self.data.as_ref().map_or(0, String::len);
        let kept =
            self.record.vault.weight() + self.record.grant.as_ref().map_or(0, TokenSet::weight);
        header + self.record.data.to_json().len() + 2 * self.identity.len() + kept
    }

    /// Returns whether this copy was changed, or used, later than another.
    #[must_use]
    pub(crate) fn is_newer_than(&self, other: &Self) -> bool {
        let age = |prepared: &Self| (prepared.record.version, prepared.record.seen);
        age(self) > age(other)
    }
}

fn identity_lines(identity: &Identity) -> String {
    let text = |text: Option<&str>| text.map(header_text).unwrap_or_default();
    let omitted = match identity.groups_omitted {
        0 => String::new(),
        omitted => omitted.to_string(),
    };
    [
        text(Some(&identity.user)),
        text(identity.email.as_deref()),
        text(identity.name.as_deref()),
        header_list(&identity.groups),
        omitted,
    ]
    .join("\n")
}
