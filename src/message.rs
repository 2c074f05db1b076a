//! Reads and writes the messages between isolates and Durable Objects: JSON on one line.
//!
//! During a deployment both ends may be of different releases (`docs/internals/releases.md`). Members that are missing have a
//! neutral value, and members that are not known are ignored. Members are written in the order of their names.
//!
//! A command is an enum, as `serde` derives it: `{"name":{…}}`. It is written as `{"do":"name",…}`.

mod reader;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::error::Category;
use serde_json::{Map, Value};
use thiserror::Error;

use reader::{Reader, Unfit};

/// The member of a command that names it.
const TAG: &str = "do";

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

impl From<Unfit> for MessageError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Variant => Self::UnknownCommand,
            Unfit::Shape => Self::Malformed(Fault {
                kind: Category::Data,
                line: 0,
                column: 0,
            }),
        }
    }
}

/// Writes a message.
#[must_use]
pub(crate) fn write(message: &impl Serialize) -> String {
    value_of(message).to_string()
}

/// Writes a command.
#[must_use]
pub(crate) fn write_command(command: &impl Serialize) -> String {
    tagged(value_of(command)).to_string()
}

/// Writes a command that is a member of a message: see `serde`'s `serialize_with`.
///
/// # Errors
/// Returns the serializer's error.
pub(crate) fn command<C: Serialize, S: Serializer>(command: &C, to: S) -> Result<S::Ok, S::Error> {
    tagged(value_of(command)).serialize(to)
}

/// A message has no map whose keys are not texts, so that this cannot fail.
fn value_of(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// The command with its name as a member.
fn tagged(command: Value) -> Value {
    let (name, members) = match command {
        Value::Object(command) => match command.into_iter().next() {
            Some((name, members)) => (Value::String(name), members),
            None => (Value::Null, Value::Null),
        },
        name => (name, Value::Null),
    };
    let mut members = match members {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    members.insert(TAG.to_owned(), name);
    Value::Object(members)
}

/// Reads a message, or a command.
///
/// # Errors
/// Returns why the bytes are no message of this kind.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    Ok(T::deserialize(Reader(parse(bytes)?))?)
}

/// Reads a message that is a part of another text.
#[must_use]
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(Reader(value.clone())).ok()
}

fn parse(bytes: &[u8]) -> Result<Value, MessageError> {
    let text = core::str::from_utf8(bytes).map_err(|_| MessageError::NotText)?;
    Ok(serde_json::from_str(text)?)
}

/// A text and a number, as an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair(pub String, pub u64);

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
