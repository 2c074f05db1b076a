//! Reads and writes the messages between isolates and Durable Objects: JSON on one line.
//!
//! During a deployment both ends may be of different releases (`docs/internals/releases.md`). Missing members get a
//! neutral value, and unknown members are ignored. Members are written in the order of their names.
//!
//! A command is an enum that derives `serde`'s traits: `{"name":{…}}`. It is written as `{"do":"name",…}`.

mod reader;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::error::Category;
use serde_json::{Map, Value};
use thiserror::Error;

use reader::{Reader, Unfit};

/// Member that names a command.
const TAG: &str = "do";

/// Reasons why a message cannot be read.
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

/// Error for a part of a message or stored value that does not have the expected form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not {0}")]
pub struct Unexpected(
    /// Description of the expected form.
    pub &'static str,
);

/// Kind and position of an error in a message. Quotes no content, unlike `serde`'s own text.
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

/// Describes the position in the text. Returns nothing if the text is JSON of the wrong shape, because `serde_json`
/// reports no line for that.
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

/// Serializes a message.
#[must_use]
pub(crate) fn write(message: &impl Serialize) -> String {
    value_of(message).to_string()
}

/// Serializes a command.
#[must_use]
pub(crate) fn write_command(command: &impl Serialize) -> String {
    tagged(value_of(command)).to_string()
}

/// Serializes a command that is a member of a message, for `serde`'s `serialize_with`.
///
/// # Errors
/// Returns the serializer's error.
pub(crate) fn command<C: Serialize, S: Serializer>(command: &C, to: S) -> Result<S::Ok, S::Error> {
    tagged(value_of(command)).serialize(to)
}

/// Converts a message to JSON. Cannot fail: all map keys of messages are strings.
fn value_of(message: &impl Serialize) -> Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// Moves the command's name into the member [`TAG`].
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

/// Parses a message or command.
///
/// # Errors
/// Returns why the bytes are not a message of this kind.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    Ok(T::deserialize(Reader(parse(bytes)?))?)
}

/// Parses a message that is part of another text.
#[must_use]
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(Reader(value.clone())).ok()
}

fn parse(bytes: &[u8]) -> Result<Value, MessageError> {
    let text = core::str::from_utf8(bytes).map_err(|_| MessageError::NotText)?;
    Ok(serde_json::from_str(text)?)
}

/// String and number, encoded as an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pair(pub String, pub u64);

/// Deserializes a member that may be missing or `null`, together with `serde`'s `default`.
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

/// Returns whether a member has its neutral value and is not written.
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
