//! Reads and writes the messages between isolates and Durable Objects: JSON on one line.
//!
//! During a deployment both ends may be of different releases (`docs/internals/releases.md`). Members that are missing have a
//! neutral value, and members that are not known are ignored. Members are written in the order of their names.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::error::Category;
use thiserror::Error;

/// Why a message cannot be read.
#[derive(Debug, Error)]
pub(crate) enum MessageError {
    /// The bytes are not UTF-8.
    #[error("not UTF-8")]
    NotText,
    /// The text is not a message of this kind.
    #[error("malformed message: {0}")]
    Malformed(Fault),
    /// This release has no such command.
    #[error("unknown command")]
    UnknownCommand,
}

/// Part of a message or of a stored value is not what is expected there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not {0}")]
pub struct Unexpected(
    /// What is expected.
    pub &'static str,
);

/// What is wrong with a message, and where. Says nothing of what it holds: `serde`'s own text quotes values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{}{}", category(*.kind), position(*.line, *.column))]
pub(crate) struct Fault {
    kind: Category,
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for MessageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(Fault {
            kind: error.classify(),
            line: error.line(),
            column: error.column(),
        })
    }
}

fn category(kind: Category) -> &'static str {
    match kind {
        Category::Io => "unreadable",
        Category::Syntax => "not JSON",
        Category::Data => "not what is expected",
        Category::Eof => "it ends early",
    }
}

/// Where in the text; what is JSON, and not of this kind, has no place in it.
fn position(line: usize, column: usize) -> String {
    if line == 0 {
        return String::new();
    }
    format!(" at line {line} column {column}")
}

/// Writes a message.
#[must_use]
pub(crate) fn write(message: &impl Serialize) -> String {
    // A message has no map whose keys are not texts, so that this cannot fail.
    let value = serde_json::to_value(message).unwrap_or_default();
    value.to_string()
}

/// Reads a message.
///
/// # Errors
/// Returns why the bytes are no message of this kind.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    let text = core::str::from_utf8(bytes).map_err(|_| MessageError::NotText)?;
    let value: Value = serde_json::from_str(text)?;
    Ok(serde_json::from_value(value)?)
}

/// A text and a number, as an array. Elements that a later release adds are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) struct Pair(pub String, pub u64);

impl TryFrom<Value> for Pair {
    type Error = Unexpected;

    fn try_from(pair: Value) -> Result<Self, Unexpected> {
        let text = pair.get(0).and_then(Value::as_str);
        let number = pair.get(1).and_then(Value::as_u64);
        let pair = text.zip(number);
        let (text, number) = pair.ok_or(Unexpected("a text and a number"))?;
        Ok(Self(text.to_owned(), number))
    }
}

/// Reads a member that may be missing, and may be `null`: see `serde`'s `default`.
///
/// # Errors
/// Returns the deserializer's error.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Whether a member has its neutral value, and is not written.
pub(crate) fn is_neutral<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_later_release_are_ignored() {
        let read: Pair = read(br#"["a",1,{"new":1}]"#).unwrap();
        assert_eq!(read, Pair("a".to_owned(), 1));
        assert_eq!(write(&read), r#"["a",1]"#);
    }

    #[test]
    fn malformed_messages_are_rejected() {
        for bad in ["", "{}", "[]", "[1,1]"] {
            let error = read::<Pair>(bad.as_bytes()).unwrap_err();
            assert!(matches!(error, MessageError::Malformed(_)), "{bad}");
        }
        let error = read::<Pair>(&[255]).unwrap_err();
        assert!(matches!(error, MessageError::NotText));
    }

    #[test]
    fn errors_do_not_quote_message_content() {
        let bad = [
            r#""s3cret""#,
            r#"["s3cret","s3cret"]"#,
            r#"{"s3cret":"s3cret"}"#,
            r#"["s3cret",1"#,
            r#"["s3cret" s3cret]"#,
        ];
        for bad in bad {
            let errors = [
                read::<Pair>(bad.as_bytes()).unwrap_err(),
                read::<u64>(bad.as_bytes()).unwrap_err(),
            ];
            for error in errors {
                let texts = format!("{error} {error:?}");
                assert!(!texts.contains("s3cret"), "{texts}");
            }
        }
        let error = read::<Pair>(br#"["s3cret" 1]"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "malformed message: not JSON at line 1 column 11"
        );
    }
}
