//! Keeps the newest versions of a tenant's document under `history:<id>:<milliseconds since 1970, 16 digits>`. Names
//! thus sort by age.
//!
//! In KV the list of names may lag; the versions themselves never change.

use serde_json::Value;

use super::super::Interrupt;
use super::super::registry::document_key;
use super::{read, stored, text};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::encoding::json;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::sorted;
use crate::tenant_id::TenantId;

/// Maximum versions of one document.
const MAX_KEPT: usize = 20;

/// Time at which a version was stored; also its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(UnixMillis);

impl Version {
    /// Parses a name of sixteen digits.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit());
        let millis = text.parse().ok().filter(|_| is_one)?;
        Some(Self(UnixMillis(millis)))
    }

    fn to_text(self) -> String {
        format!("{:016}", self.0.0)
    }

    fn key(self, id: &TenantId) -> String {
        prefix(id) + &self.to_text()
    }
}

fn prefix(id: &TenantId) -> String {
    format!("history:{id}:")
}

/// Changes to the history that one change of a document causes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Revision {
    /// Versions to store before the change: the replaced document, if the history lacks it.
    pub(super) before: Vec<(String, String)>,
    /// Versions to store after the change: the new document.
    pub(super) after: Vec<(String, String)>,
    /// Names of versions to delete.
    pub(super) gone: Vec<String>,
}

impl Revision {
    /// Computes the revision for creating, replacing or deleting a document. Storing the same text again changes
    /// nothing.
    pub(super) fn of(
        id: &TenantId,
        former: Option<&str>,
        next: Option<&str>,
        now: UnixMillis,
        answers: &Answers,
    ) -> Result<Self, Interrupt> {
        if former == next {
            return Ok(Self::default());
        }
        let mut versions = versions(id, answers)?;
        let newest = versions.last().copied();
        let mut at = match newest {
            // Concurrent changes and skewed clocks still get increasing times.
            Some(Version(UnixMillis(newest))) => UnixMillis(now.0.max(newest + 1)),
            None => now,
        };
        let mut revision = Self::default();
        if let Some(former) = former {
            // A document stored by other means is missing from the history.
            let is_kept = match newest {
                Some(newest) => read(newest.key(id), answers)?.as_deref() == Some(former),
                None => false,
            };
            if !is_kept {
                revision
                    .before
                    .push((Version(at).key(id), former.to_owned()));
                versions.push(Version(at));
                at = UnixMillis(at.0 + 1);
            }
        }
        if let Some(next) = next {
            revision.after.push((Version(at).key(id), next.to_owned()));
            versions.push(Version(at));
        }
        let surplus = versions.len().saturating_sub(MAX_KEPT);
        revision.gone = versions
            .iter()
            .take(surplus)
            .map(|one| one.key(id))
            .collect();
        Ok(revision)
    }
}

/// Answers `GET …/history` with the versions, newest first.
pub(super) fn list(id: &TenantId, answers: &Answers) -> Result<Answer, Interrupt> {
    let versions = versions(id, answers)?;
    let now = read(document_key(id), answers)?;
    let newest = match versions.last() {
        Some(newest) => read(newest.key(id), answers)?,
        None if now.is_none() => return Err(Interrupt::Reject(Problem::NotFound)),
        None => None,
    };
    let is_newest = now.is_some() && now == newest;
    let one = |(at, version): (usize, &Version)| {
        json!({
            "version": version.to_text(),
            "at": version.0.seconds().0,
            "current": at == 0 && is_newest,
        })
    };
    let listed: Value = versions.iter().rev().enumerate().map(one).collect();
    Ok(Answer::json(200, &json!({ "versions": listed })))
}

/// Answers `GET …/history/{version}` with that version's document.
pub(super) fn get(id: &TenantId, version: &str, answers: &Answers) -> Result<Answer, Interrupt> {
    let version = Version::parse(version).ok_or(Interrupt::Reject(Problem::NotFound))?;
    Ok(text(&stored(version.key(id), answers)?))
}

/// Returns the versions, oldest first.
fn versions(id: &TenantId, answers: &Answers) -> Result<Vec<Version>, Interrupt> {
    let prefix = prefix(id);
    match answers.found(&prefix) {
        None => Err(Interrupt::Pending(vec![Need::Documents { prefix }])),
        Some(Found::Bytes(names)) => {
            let names = core::str::from_utf8(names).unwrap_or_default().lines();
            let version = |name: &str| Version::parse(name.strip_prefix(&prefix)?);
            let mut versions: Vec<Version> = names.filter_map(version).collect();
            sorted::by(&mut versions, Ord::cmp);
            Ok(versions)
        }
        Some(Found::Absent | Found::Unavailable) => {
            Err(Interrupt::Reject(Problem::TenantsUnavailable))
        }
    }
}
