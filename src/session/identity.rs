//! Who a session belongs to, once somebody has said so: the origin, or a sign-in.

use core::fmt;

use serde_json::Value;

/// The most bytes a user id, an address or a name may have.
pub const LONGEST_FIELD: usize = 320;
/// The most groups.
const MOST_GROUPS: usize = 64;

/// A proven identity. Every text is free of control characters and bounded, so it fits a header.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// What the application knows the user by; never empty.
    pub user: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Name, for people to read.
    pub name: Option<String>,
    /// Groups, each without a comma.
    pub groups: Vec<String>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(personal)")
    }
}

/// Why an identity was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadIdentity {
    /// Not a JSON object with a `user`.
    Shape,
    /// A member that is not known, of the wrong type, too long, or with control characters.
    Member,
}

impl Identity {
    /// Reads `{"user", "email"?, "name"?, "groups"?}`; `"remember": true` asks for the longer
    /// limit and is returned beside.
    ///
    /// # Errors
    /// [`BadIdentity`].
    pub fn parse(json: &str) -> Result<(Self, bool), BadIdentity> {
        let Ok(Value::Object(object)) = serde_json::from_str(json) else {
            return Err(BadIdentity::Shape);
        };
        let mut identity = Self {
            user: String::new(),
            email: None,
            name: None,
            groups: Vec::new(),
        };
        let mut remember = false;
        for (member, value) in &object {
            match (member.as_str(), value) {
                ("user", Value::String(text)) => identity.user = sound(text)?,
                ("email", Value::String(text)) => identity.email = Some(sound(text)?),
                ("name", Value::String(text)) => identity.name = Some(sound(text)?),
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
    if groups.len() > MOST_GROUPS {
        return Err(BadIdentity::Member);
    }
    let one = |group: &Value| match group {
        Value::String(text) if !text.contains(',') => sound(text),
        _ => Err(BadIdentity::Member),
    };
    groups.iter().map(one).collect()
}

fn sound(text: &str) -> Result<String, BadIdentity> {
    let fits = !text.trim().is_empty()
        && text.len() <= LONGEST_FIELD
        && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or(BadIdentity::Member)
}

/// Text for a header: printable ASCII as it is, everything else and `%` percent-encoded (RFC 3986),
/// so that no byte of a name can be misread on the way.
#[must_use]
pub fn header_text(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            line.push(char::from(byte));
        } else {
            line.push('%');
            for nibble in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                line.push(digit.to_ascii_uppercase());
            }
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_with_what_it_has() {
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
    fn what_is_none_is_refused() {
        let long = format!(r#"{{"user":"{}"}}"#, "x".repeat(LONGEST_FIELD + 1));
        let many = format!(r#"{{"user":"u","groups":[{}"g"]}}"#, r#""g","#.repeat(64));
        for (json, expected) in [
            ("", BadIdentity::Shape),
            ("[]", BadIdentity::Shape),
            ("{}", BadIdentity::Shape),
            (r#"{"user":""}"#, BadIdentity::Member),
            (r#"{"user":" "}"#, BadIdentity::Member),
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
