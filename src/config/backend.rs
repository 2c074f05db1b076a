//! Decides where tenants' documents are stored: in a KV namespace, in a D1 table, or by the operator's service.
//!
//! Each backend stores texts under keys: `tenant:<id>`, `host:<pattern>`, `history:<id>:<version>`, `user:…` for an
//! account, `asset:<tenant>:<name>` for a file.

use thiserror::Error;

/// Maximum time to wait for a document, or for a list of documents, in milliseconds.
pub(crate) const DEADLINE_MS: u32 = 2_000;

/// Time for which KV may serve a read from its location's cache, in seconds: the minimum that KV allows.
pub(crate) const CACHE_TTL_SECONDS: u32 = 30;

/// Prefix of the keys of users' accounts, which may have a namespace of their own.
const ACCOUNT: &str = "user:";

/// Storage of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// KV namespace `USERS`, for accounts only.
    Users,
    /// KV namespace `TENANTS`.
    Tenants,
    /// D1 database `TENANTS_DB`.
    Table,
    /// Service at `TENANTS_URL`.
    Service,
}

impl Backend {
    /// Returns the name of its binding.
    #[must_use]
    pub(crate) fn binding(self) -> &'static str {
        match self {
            Self::Users => "USERS",
            Self::Tenants => "TENANTS",
            Self::Table => "TENANTS_DB",
            Self::Service => "TENANTS_URL",
        }
    }
}

/// Reason why no backend can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum NoBackend {
    /// No suitable backend is bound.
    #[error("no namespace is bound: USERS, or TENANTS")]
    Unbound,
    /// Only a service is bound, which is read-only: its operator changes what it stores.
    #[error("a service keeps its documents itself")]
    ReadOnly,
}

/// Returns the backend that stores a key.
///
/// # Errors
/// Returns [`NoBackend::Unbound`] if none is bound.
pub(crate) fn for_read(
    key: &str,
    is_bound: impl Fn(Backend) -> bool,
) -> Result<Backend, NoBackend> {
    namespace(is_account(key), &is_bound)
        .or_else(|| {
            let others = [Backend::Table, Backend::Service];
            others.into_iter().find(|backend| is_bound(*backend))
        })
        .ok_or(NoBackend::Unbound)
}

/// Returns the backend that lists the keys with a prefix.
///
/// # Errors
/// Returns [`NoBackend::ReadOnly`] if only a service is bound.
pub(crate) fn for_list(
    prefix: &str,
    is_bound: impl Fn(Backend) -> bool,
) -> Result<Backend, NoBackend> {
    changeable(is_account(prefix), is_bound)
}

/// Returns the backend for these changes: that of accounts only if all concern accounts.
///
/// # Errors
/// Returns [`NoBackend::ReadOnly`] if only a service is bound.
pub(crate) fn for_changes(
    changes: &[Change<'_>],
    is_bound: impl Fn(Backend) -> bool,
) -> Result<Backend, NoBackend> {
    let are_accounts = changes.iter().all(|change| is_account(change.key()));
    changeable(are_accounts, is_bound)
}

/// Change to stored documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    /// Stores the text under the key.
    Put(&'a str, &'a str),
    /// Deletes the key.
    Delete(&'a str),
}

impl<'a> Change<'a> {
    fn key(self) -> &'a str {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}

/// Returns the changes in the order in which to perform them. A document is stored before the hosts that refer to it
/// and deleted after them, so that no host refers to a missing tenant.
#[must_use]
pub(crate) fn in_order<'a>(puts: &'a [(String, String)], deletes: &'a [String]) -> Vec<Change<'a>> {
    let puts = puts.iter().map(|(key, text)| Change::Put(key, text));
    let deletes = deletes.iter().map(|key| Change::Delete(key));
    puts.chain(deletes).collect()
}

fn is_account(key: &str) -> bool {
    key.starts_with(ACCOUNT)
}

fn namespace(of_accounts: bool, is_bound: impl Fn(Backend) -> bool) -> Option<Backend> {
    if of_accounts && is_bound(Backend::Users) {
        return Some(Backend::Users);
    }
    is_bound(Backend::Tenants).then_some(Backend::Tenants)
}

fn changeable(of_accounts: bool, is_bound: impl Fn(Backend) -> bool) -> Result<Backend, NoBackend> {
    namespace(of_accounts, &is_bound)
        .or_else(|| is_bound(Backend::Table).then_some(Backend::Table))
        .ok_or(NoBackend::ReadOnly)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Backend::{Service, Table, Tenants, Users};

    fn read(key: &str, bound: &[Backend]) -> Result<Backend, NoBackend> {
        for_read(key, |backend| bound.contains(&backend))
    }

    fn change(changes: &[Change<'_>], bound: &[Backend]) -> Result<Backend, NoBackend> {
        for_changes(changes, |backend| bound.contains(&backend))
    }

    #[test]
    fn accounts_are_read_from_their_namespace_if_bound() {
        for (key, bound, expected) in [
            ("user:acme:x", &[Users, Tenants, Table, Service][..], Users),
            ("user:acme:x", &[Tenants, Table], Tenants),
            ("user:acme:x", &[Users], Users),
            ("user:acme:x", &[Service], Service),
            ("users:x", &[Users, Tenants], Tenants),
            ("tenant:acme", &[Users, Tenants, Table, Service], Tenants),
            ("tenant:acme", &[Users, Table, Service], Table),
            ("asset:acme:logo", &[Users, Service], Service),
        ] {
            assert_eq!(read(key, bound), Ok(expected), "{key} {bound:?}");
        }
        assert_eq!(read("tenant:acme", &[Users]), Err(NoBackend::Unbound));
    }

    #[test]
    fn document_service_is_read_only() {
        let put = [Change::Put("tenant:acme", "{}")];
        assert_eq!(change(&put, &[Users, Service]), Err(NoBackend::ReadOnly));
        assert_eq!(change(&put, &[Table, Service]), Ok(Table));
        let list = |prefix, bound: &[Backend]| for_list(prefix, |one| bound.contains(&one));
        assert_eq!(list("tenant:", &[Service]), Err(NoBackend::ReadOnly));
        assert_eq!(list("user:", &[Users, Tenants]), Ok(Users));
        assert_eq!(list("tenant:", &[Users, Tenants, Table]), Ok(Tenants));
        assert_eq!(list("history:acme:", &[Table]), Ok(Table));
    }

    #[test]
    fn only_account_changes_go_to_the_accounts_namespace() {
        let bound = [Users, Tenants];
        let account = Change::Put("user:acme:x", "{}");
        let gone = Change::Delete("user:acme:y");
        assert_eq!(change(&[account, gone], &bound), Ok(Users));
        assert_eq!(change(&[account, gone], &[Tenants]), Ok(Tenants));
        let mixed = [account, Change::Delete("tenant:acme")];
        assert_eq!(change(&mixed, &bound), Ok(Tenants));
    }

    #[test]
    fn puts_come_before_deletes() {
        let puts = [("tenant:a", "1"), ("host:a", "a")].map(|(k, t)| (k.to_owned(), t.to_owned()));
        let deletes = ["host:b".to_owned()];
        let expected = [
            Change::Put("tenant:a", "1"),
            Change::Put("host:a", "a"),
            Change::Delete("host:b"),
        ];
        assert_eq!(in_order(&puts, &deletes), expected);
    }
}
