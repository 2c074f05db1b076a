//! Parses stored password accounts: identity and password hash.

use core::fmt;

use serde_json::Value;

use super::login_throttle::message::AccountChange;
use crate::clock::UnixSeconds;
use crate::encoding;
use crate::encoding::json;
use crate::session::identity::Identity;
use crate::session::names::is_identifier;
use crate::tenant_id::TenantId;

/// Minimum length of a password, in characters. There are no rules of composition, because they make passwords worse
/// (NIST SP 800-63B section 5.1.1.2).
pub(crate) const MIN_PASSWORD_LENGTH: usize = 8;

/// Maximum length of a password, in bytes.
pub(crate) const MAX_PASSWORD_LENGTH: usize = 1_024;

/// Maximum length of a name, in bytes.
const MAX_NAME_LENGTH: usize = 128;

/// Normalised name of an account, by which it is looked up and its attempts are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AccountName(String);

impl AccountName {
    /// Parses a normalised name ([`crate::effect::Need::Fold`]). Returns `None` if no account can have this name.
    #[must_use]
    pub(crate) fn parse(folded: &str) -> Option<Self> {
        let is_sound =
            folded.len() <= MAX_NAME_LENGTH && is_identifier(folded) && !folded.contains(':');
        is_sound.then(|| Self(folded.to_owned()))
    }

    /// Returns the name as text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the account's document key.
    #[must_use]
    pub(crate) fn key(&self, tenant: &TenantId) -> String {
        format!("{}{}", prefix(tenant), self.0)
    }
}

/// Returns the prefix of the document keys of a tenant's accounts.
#[must_use]
pub(crate) fn prefix(tenant: &TenantId) -> String {
    format!("user:{tenant}:")
}

/// Stored account: JSON.
#[derive(Clone, PartialEq)]
pub(crate) struct Account {
    /// `{"user", "email"?, "name"?, "groups"?, "password", "changed"?, "disabled"?}`
    members: serde_json::Map<String, Value>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(personal)")
    }
}

/// Members that form the identity.
const IDENTITY: [&str; 4] = ["user", "email", "name", "groups"];

impl Account {
    /// Parses an account. Returns `None` without a password hash, or with a user id that no header can hold.
    #[must_use]
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let Value::Object(members) = encoding::from_json(bytes)? else {
            return None;
        };
        let account = Self { members };
        Identity::parse(&account.identity(false).to_string()).ok()?;
        account.hash().is_some().then_some(account)
    }

    /// Returns the password's hash, a PHC string.
    #[must_use]
    pub(crate) fn hash(&self) -> Option<&str> {
        self.members.get("password").and_then(Value::as_str)
    }

    /// Returns the user's id.
    #[must_use]
    pub(crate) fn user(&self) -> &str {
        let user = self.members.get("user").and_then(Value::as_str);
        user.unwrap_or_default()
    }

    /// Returns the time of the last change, in Unix seconds; each change has a later one.
    #[must_use]
    pub(crate) fn changed(&self) -> u64 {
        let changed = self.members.get("changed").and_then(Value::as_u64);
        changed.unwrap_or_default()
    }

    /// Returns the time to record for a change at `now`: later than the last change.
    #[must_use]
    pub(crate) fn next_change(&self, now: UnixSeconds) -> u64 {
        now.0.max(self.changed().saturating_add(1))
    }

    /// Selects between the stored account and a recent change. An account missing in storage does not exist: tools
    /// that report no changes may have deleted it.
    #[must_use]
    pub(crate) fn newest(stored: Option<Self>, change: Option<&AccountChange>) -> Option<Self> {
        let stored = stored?;
        match change {
            Some(change) if stored.changed() <= change.at => {
                Self::parse(change.account.as_deref()?.as_bytes())
            }
            _ => Some(stored),
        }
    }

    /// Returns whether the account is disabled, so that its user may not sign in.
    #[must_use]
    pub(crate) fn is_disabled(&self) -> bool {
        self.members.get("disabled") == Some(&Value::Bool(true))
    }

    /// Returns the identity for a sign-in, as JSON.
    #[must_use]
    pub(crate) fn identity(&self, remember: bool) -> Value {
        let mut identity = self.members.clone();
        identity.retain(|name, _| IDENTITY.contains(&name.as_str()));
        identity.insert("remember".to_owned(), json!(remember));
        Value::Object(identity)
    }

    /// Returns everything but the hash, for display.
    #[must_use]
    pub(crate) fn summary(&self) -> Value {
        let mut members = self.members.clone();
        members.remove("password");
        Value::Object(members)
    }

    /// Returns the members, for a change.
    #[must_use]
    pub(crate) fn into_members(self) -> serde_json::Map<String, Value> {
        self.members
    }

    /// Returns the account with another password hash, as text to store.
    #[must_use]
    pub(crate) fn with_hash(&self, hash: &str, now: UnixSeconds) -> String {
        let mut members = self.members.clone();
        members.insert("password".to_owned(), json!(hash));
        members.insert("changed".to_owned(), json!(self.next_change(now)));
        Value::Object(members).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn account_name_must_fit_a_storage_key() {
        let name = |folded| AccountName::parse(folded).map(|name| name.0);
        assert_eq!(name("a@b.example"), Some("a@b.example".to_owned()));
        for invalid in [
            "",
            " a",
            "a:b",
            "a\nb",
            "a\u{200b}",
            "a\u{a0}b",
            &"x".repeat(129),
        ] {
            assert_eq!(name(invalid), None);
        }
    }

    #[test]
    fn recent_change_overrides_a_stale_read() {
        let account = |changed: u64| {
            let text =
                json!({ "user": "a", "password": format!("$x${changed}"), "changed": changed });
            text.to_string()
        };
        let parse = |changed| Account::parse(account(changed).as_bytes());
        let change = |at, text: Option<String>| AccountChange { at, account: text };
        let newest = |stored, change: &AccountChange| {
            Account::newest(stored, Some(change)).map(|account| account.changed())
        };
        assert_eq!(newest(parse(4), &change(5, Some(account(5)))), Some(5));
        assert_eq!(newest(parse(5), &change(5, Some(account(5)))), Some(5));
        assert_eq!(newest(parse(6), &change(5, Some(account(5)))), Some(6));
        assert_eq!(newest(parse(4), &change(5, None)), None);
        assert_eq!(newest(parse(6), &change(5, None)), Some(6));
        assert_eq!(newest(None, &change(5, Some(account(5)))), None);
        assert!(Account::newest(parse(4), None).is_some());
        let next = |now| parse(9).unwrap().next_change(UnixSeconds(now));
        assert_eq!((next(9), next(3), next(20)), (10, 10, 20));
    }

    #[test]
    fn account_is_parsed_and_its_debug_output_hides_secrets() {
        let text =
            br#"{"user":"alice","email":"a@b.example","password":"$argon2id$x","changed":1}"#;
        let account = Account::parse(text).unwrap();
        assert_eq!(account.hash(), Some("$argon2id$x"));
        assert!(!account.is_disabled());
        let (identity, remember) = Identity::parse(&account.identity(true).to_string()).unwrap();
        assert_eq!((identity.user.as_str(), remember), ("alice", true));
        assert!(!format!("{account:?}").contains("alice"));
        let changed = account.with_hash("$argon2id$y", UnixSeconds(9));
        let changed = Account::parse(changed.as_bytes()).unwrap();
        assert_eq!(changed.hash(), Some("$argon2id$y"));
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"user":"a"}"#,
            r#"{"user":"","password":"x"}"#,
        ] {
            assert!(Account::parse(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
