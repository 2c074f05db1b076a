//! Parses bodies of our own API: strict JSON objects. Rejects JSON that two readers could understand in two ways.

use core::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use crate::http::request::Request;

/// Maximum length of an authenticated caller's body, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;

/// Maximum length of any other body, in bytes: a password, or a token.
pub(crate) const LARGEST_UNAUTHENTICATED: usize = 20 * 1024;

/// Maximum number of values and member names in an unauthenticated text. A token may name some hundred groups.
pub(crate) const MAX_UNAUTHENTICATED_LENGTH: usize = 1024;

/// No limit on the number of values.
pub(crate) const ANY_NUMBER: usize = usize::MAX;

/// Maximum depth of nesting.
const DEEPEST: usize = 32;

/// Reason why a body is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadBody {
    /// The body is not declared as JSON, or is compressed.
    #[error("the body is not declared as JSON, or is compressed")]
    MediaType,
    /// The body is not UTF-8.
    #[error("the body is not UTF-8")]
    Encoding,
    /// The body is nested too deeply.
    #[error("the body is nested too deeply")]
    Depth,
    /// The body has more than [`MAX_UNAUTHENTICATED_LENGTH`] values and names.
    #[error("the body has too many values and names")]
    Count,
    /// The body is not a JSON object, or an object has a member twice.
    #[error("the body is not a JSON object with distinct members")]
    Malformed,
}

/// Parses the body of `request`, with at most `most` values and names.
///
/// # Errors
/// Returns [`BadBody`].
pub(crate) fn object(
    request: &Request<'_>,
    body: &[u8],
    most: usize,
) -> Result<Map<String, Value>, BadBody> {
    let declared = request.header("content-type").unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json")
        && !media_type.eq_ignore_ascii_case("application/merge-patch+json")
        || request.header("content-encoding").is_some()
    {
        return Err(BadBody::MediaType);
    }
    let text = core::str::from_utf8(body).map_err(|_| BadBody::Encoding)?;
    if text.starts_with('\u{feff}') {
        return Err(BadBody::Encoding);
    }
    match read(text, most)? {
        Value::Object(object) => Ok(object),
        _ => Err(BadBody::Malformed),
    }
}

/// Parses JSON that is not nested too deeply, has at most `most` values and names, and has no duplicate members.
#[must_use]
pub(crate) fn strict(text: &str, most: usize) -> Option<Value> {
    read(text, most).ok()
}

fn read(text: &str, most: usize) -> Result<Value, BadBody> {
    let Extent { deepest, count } = Extent::of(text);
    if deepest > DEEPEST {
        return Err(BadBody::Depth);
    }
    if count > most {
        return Err(BadBody::Count);
    }
    let read = serde_json::from_str(text);
    read.map(|Strict(value)| value)
        .map_err(|_| BadBody::Malformed)
}

/// Depth and size of a JSON text, measured before anything is built.
struct Extent {
    /// Maximum depth of brackets outside of strings.
    deepest: usize,
    /// Upper bound of the number of values and member names.
    count: usize,
}

impl Extent {
    fn of(text: &str) -> Self {
        let (mut depth, mut deepest) = (0_usize, 0);
        let mut count = 1;
        let (mut in_string, mut escaped) = (false, false);
        for byte in text.bytes() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                _ if in_string => {}
                b'{' | b'[' => {
                    depth += 1;
                    deepest = deepest.max(depth);
                    count += 1;
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' | b':' => count += 1,
                _ => {}
            }
        }
        Self { deepest, count }
    }
}

/// JSON value without duplicate members.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Builder).map(Self)
    }
}

struct Builder;

impl<'de> DeserializeSeed<'de> for Builder {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Builder {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(value) = access.next_element_seed(Self)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(Self)?;
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a member occurs twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Map<String, Value>, BadBody> {
        let packed = format!("POST\nhttps://chat.example/\ncontent-type\n{content_type}");
        object(
            &Request::parse(&packed).unwrap(),
            body,
            MAX_UNAUTHENTICATED_LENGTH,
        )
    }

    #[test]
    fn number_of_json_values_is_limited() {
        let json = "application/json";
        // The object, its member's name and the array count one each, and so does each value and name within.
        for (part, each) in [("1", 1), (r#"",:[{""#, 1), ("[]", 2), (r#"{"a":1}"#, 3)] {
            let body = |many: usize| format!(r#"{{"a":[{}]}}"#, vec![part; many].join(","));
            let most = (MAX_UNAUTHENTICATED_LENGTH - 3) / each;
            assert!(read(json, body(most).as_bytes()).is_ok(), "{part}");
            let over = body(most + 1);
            assert_eq!(
                read(json, over.as_bytes()).err(),
                Some(BadBody::Count),
                "{part}"
            );
            let request = Request::parse(
                "POST
https://a/
content-type
application/json",
            );
            assert!(object(&request.unwrap(), over.as_bytes(), ANY_NUMBER).is_ok());
            assert_eq!(strict(&over, MAX_UNAUTHENTICATED_LENGTH), None);
        }
    }

    #[test]
    fn object_is_parsed() {
        let object = read(
            "application/json; charset=utf-8",
            br#"{"a":[1,-2,0.5,null,true,"x"]}"#,
        );
        assert_eq!(
            Value::Object(object.unwrap()),
            serde_json::json!({ "a": [1, -2, 0.5, null, true, "x"] })
        );
    }

    #[test]
    fn ambiguous_json_is_rejected() {
        let json = "application/json";
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(32), "]".repeat(32));
        let deepest = "[".repeat(60_000);
        let brackets = format!("{{\"a\":\"{}\"}}", "[".repeat(100));
        assert!(read(json, brackets.as_bytes()).is_ok());
        for (content_type, body, expected) in [
            ("text/plain", b"{}".as_slice(), BadBody::MediaType),
            ("", b"{}", BadBody::MediaType),
            (json, b"\xff\xfe{\0}\0", BadBody::Encoding),
            (json, b"{\"a\":\"\xc3\"}", BadBody::Encoding),
            (json, "\u{feff}{}".as_bytes(), BadBody::Encoding),
            (json, deep.as_bytes(), BadBody::Depth),
            (json, deepest.as_bytes(), BadBody::Depth),
            (json, b"", BadBody::Malformed),
            (json, b"[]", BadBody::Malformed),
            (json, b"{}{}", BadBody::Malformed),
            (json, br#"{"a":1,"a":2}"#, BadBody::Malformed),
            (json, br#"{"a":{"b":1,"b":2}}"#, BadBody::Malformed),
            (json, br#"{"a":1e999}"#, BadBody::Malformed),
            (json, br#"{"a":NaN}"#, BadBody::Malformed),
            (json, br#"{"a":"\ud800"}"#, BadBody::Malformed),
        ] {
            assert_eq!(
                read(content_type, body).err(),
                Some(expected),
                "{:.40}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
