//! Defines the identity of a session, as stated by the origin or proved by a sign-in.

use core::fmt;

use serde_json::Value;
use thiserror::Error;

use crate::session::names::{is_identifier, is_presentable};

/// Maximum number of groups that are kept and sent.
pub(crate) const MAX_GROUPS: usize = 64;

/// Identity of a user. Every text follows the rule for names: no blanks at its ends and nothing invisible.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id of the application; never empty.
    pub user: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Groups, each without a comma.
    pub groups: Vec<String>,
    /// Number of further groups, which do not fit into a header.
    pub groups_omitted: u32,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(personal)")
    }
}

/// Reasons why an identity is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadIdentity {
    /// The identity is not a JSON object with a `user`.
    #[error("an identity is a JSON object with a `user`")]
    Shape,
    /// A member is unknown, of the wrong type, or against the rule for names.
    #[error("an identity has a member that is unknown, of the wrong type, or no name")]
    Member,
}

impl Identity {
    /// Creates an identity with a user id only.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            ..Self::default()
        }
    }

    /// Returns whether the user is in a group.
    #[must_use]
    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|one| one == group)
    }

    /// Parses `{"user", "email"?, "name"?, "groups"?}`. Also returns whether `"remember": true` requests the longer
    /// limit.
    ///
    /// # Errors
    /// Returns [`BadIdentity`].
    pub fn parse(json: &str) -> Result<(Self, bool), BadIdentity> {
        let Ok(Value::Object(object)) = serde_json::from_str(json) else {
            return Err(BadIdentity::Shape);
        };
        let mut identity = Self::default();
        let mut remember = false;
        for (member, value) in &object {
            match (member.as_str(), value) {
                ("user", Value::String(text)) => identity.user = identifier(text)?,
                ("email", Value::String(text)) => identity.email = Some(identifier(text)?),
                ("name", Value::String(text)) if is_presentable(text) => {
                    identity.name = Some(text.clone());
                }
                ("groups", Value::Array(groups)) => identity.groups = read_groups(groups)?,
                ("remember", Value::Bool(asked)) => remember = *asked,
                ("email" | "name" | "groups", Value::Null) => {}
                _ => return Err(BadIdentity::Member),
            }
        }
        if identity.user.is_empty() {
            return Err(BadIdentity::Shape);
        }
        Ok((identity, remember))
    }
}

fn read_groups(groups: &[Value]) -> Result<Vec<String>, BadIdentity> {
    if groups.len() > MAX_GROUPS {
        return Err(BadIdentity::Member);
    }
    let one = |group: &Value| match group {
        Value::String(text) if !text.contains(',') => identifier(text),
        _ => Err(BadIdentity::Member),
    };
    groups.iter().map(one).collect()
}

fn identifier(text: &str) -> Result<String, BadIdentity> {
    let is_sound = is_identifier(text);
    is_sound.then(|| text.to_owned()).ok_or(BadIdentity::Member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::names::{MAX_LENGTH, header_text};

    #[test]
    fn identity_is_parsed() {
        let json =
            r#"{"user":"u1","email":"a@b.example","name":"Zoë","groups":["x"],"remember":true}"#;
        let (identity, remember) = Identity::parse(json).unwrap();
        assert_eq!(identity.user, "u1");
        assert_eq!(identity.groups, ["x"]);
        assert!(remember);
        assert_eq!(header_text(identity.name.as_deref().unwrap()), "Zo%C3%AB");
        let (bare, remember) = Identity::parse(r#"{"user":"u1","email":null}"#).unwrap();
        assert_eq!((bare.email, remember), (None, false));
    }

    #[test]
    fn invalid_identity_is_rejected() {
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(MAX_LENGTH + 1));
        let many = format!(r#"{{"user":"u","groups":[{}"g"]}}"#, r#""g","#.repeat(64));
        for (json, expected) in [
            ("", BadIdentity::Shape),
            ("[]", BadIdentity::Shape),
            ("{}", BadIdentity::Shape),
            (r#"{"user":""}"#, BadIdentity::Member),
            (r#"{"user":" "}"#, BadIdentity::Member),
            (r#"{"user":" admin"}"#, BadIdentity::Member),
            (r#"{"user":"admin\u200b"}"#, BadIdentity::Member),
            (
                r#"{"user":"a","email":"a@b.example "}"#,
                BadIdentity::Member,
            ),
            (r#"{"user":"a","name":"\u202ea"}"#, BadIdentity::Member),
            (r#"{"user":"a","groups":["\u00a0x"]}"#, BadIdentity::Member),
            (r#"{"user":1}"#, BadIdentity::Member),
            (r#"{"user":"a\r\nx-evil: 1"}"#, BadIdentity::Member),
            (r#"{"user":"a","admin":true}"#, BadIdentity::Member),
            (r#"{"user":"a","groups":["a,b"]}"#, BadIdentity::Member),
            (long.as_str(), BadIdentity::Member),
            (many.as_str(), BadIdentity::Member),
        ] {
            assert_eq!(Identity::parse(json).err(), Some(expected), "{json:.40}");
        }
    }
}
