//! Encodes and decodes base64url without padding (RFC 4648 section 5), lower-case hex, percent-encoding and ASCII
//! JSON.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

/// Encodes bytes as base64url without padding.
#[must_use]
pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url of any length. Returns `None` for text that is not canonical: padding, other characters, or
/// non-zero trailing bits.
#[must_use]
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes base64url like [`from_base64url`], if it holds exactly `N` bytes.
#[must_use]
pub(crate) fn from_base64url_exact<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = from_base64url_into(text, &mut bytes)?.len();
    (length == N).then_some(bytes)
}

/// Decodes base64url like [`from_base64url`] into a buffer, and returns the part that it fills.
#[must_use]
pub(crate) fn from_base64url_into<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = URL_SAFE_NO_PAD.decode_slice(text, buffer).ok()?;
    buffer.get(..length)
}

/// Encodes bytes as base64 with padding (RFC 4648 section 4), the form of hashes in security policies.
#[must_use]
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends text to a URL, percent-encoded (RFC 3986 section 2.1): a path or the value of a parameter.
pub(crate) fn push_percent_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push('%');
            push_hex(url, &[byte]);
        }
    }
}

/// Returns the lower-case digit of a number below 16.
fn hex_digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

/// Appends bytes as lower-case hex.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    // At once up to a trace id's length.
    for part in bytes.chunks(16) {
        out.push_str(hex_into(&mut [0; 32], part));
    }
}

/// Writes the hex digits of as many bytes as fit, and returns them.
pub(crate) fn hex_into<'d>(digits: &'d mut [u8], bytes: &[u8]) -> &'d str {
    let (pairs, _) = digits.as_chunks_mut::<2>();
    let written = 2 * pairs.len().min(bytes.len());
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
    }
    let digits = digits.get(..written).unwrap_or_default();
    core::str::from_utf8(digits).unwrap_or_default()
}

/// Decodes exactly `2 * N` hex digits.
#[must_use]
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let is_long_enough = text.len() == 2 * N && text.is_ascii();
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    is_long_enough.then_some(bytes)
}

/// Decodes percent-encoded text (RFC 3986 section 2.1). Returns `None` for an invalid escape or invalid UTF-8.
#[must_use]
pub(crate) fn from_percent_encoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

/// Parses JSON from bytes.
#[must_use]
pub(crate) fn from_json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_str(core::str::from_utf8(bytes).ok()?).ok()
}

/// Builds JSON like `serde_json`'s macro of this name, but by function calls. That macro expands to error handling for
/// each member and is several times as large. A nested object or array is a `json!` itself.
macro_rules! json {
    ({ $($name:literal : $value:expr),* $(,)? }) => {{
        #[allow(unused_mut, reason = "some have no member")]
        let mut object = serde_json::Map::new();
        $( $crate::encoding::set(&mut object, $name, &$value); )*
        serde_json::Value::Object(object)
    }};
    ([ $($element:expr),* $(,)? ]) => {
        serde_json::Value::Array(Vec::from([ $( $crate::encoding::value(&$element) ),* ]))
    };
    ($value:expr) => {
        $crate::encoding::value(&$value)
    };
}
pub(crate) use json;

/// Converts a value for `json!`. Conversion fails only for maps with keys that are not text; the crate has none.
#[inline(never)]
pub(crate) fn value<T: Serialize + ?Sized>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Sets a member of an object.
#[inline(never)]
pub(crate) fn set<T: Serialize + ?Sized>(object: &mut Map<String, Value>, name: &str, member: &T) {
    object.insert(name.to_owned(), value(member));
}

/// Appends a member of a JSON object, with a comma before it unless it is the first. Texts of our own have nothing to
/// escape, so looking for it is all that they cost; a tree of values costs ten times as much.
pub(crate) fn push_member(object: &mut String, name: &str, text: &str) {
    let is_plain = |b: u8| !matches!(b, ..b' ' | b'"' | b'\\');
    for part in [
        if object.ends_with('{') { "\"" } else { ",\"" },
        name,
        "\":",
    ] {
        object.push_str(part);
    }
    if text.bytes().all(is_plain) {
        for part in ["\"", text, "\""] {
            object.push_str(part);
        }
    } else {
        object.push_str(&json!(text).to_string());
    }
}

/// Builds a JSON object. `collect` would compile a sort for every type of iterator.
pub(crate) fn object<'n>(
    members: impl IntoIterator<Item = (&'n str, Value)>,
) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    object
}

/// Returns the texts in a JSON array and skips other elements.
#[must_use]
pub(crate) fn strings(array: Option<&Value>) -> Vec<String> {
    let array = array.and_then(Value::as_array);
    let texts = array.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// Escapes everything but printable ASCII in a JSON text. JSON allows such characters inside strings only, and already
/// escapes control characters there.
#[must_use]
pub(crate) fn ascii_json(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    let mut units = [0_u16; 2];
    for char in json.chars() {
        if matches!(char, ' '..='~') {
            line.push(char);
        } else {
            for unit in char.encode_utf16(&mut units) {
                line.push_str("\\u");
                push_hex(&mut line, &unit.to_be_bytes());
            }
        }
    }
    line
}

/// Maximum length of a setting's value that is quoted, in bytes.
const MAX_QUOTED: usize = 64;

/// Quotes a setting's value for an error message. A value that may hold a secret, such as a URL with a password,
/// becomes "the value".
pub(crate) fn quoted(value: &str) -> String {
    let may_be_secret = value.len() > MAX_QUOTED || value.contains('@') || value.contains("://");
    if may_be_secret {
        "the value".to_owned()
    } else {
        format!("\"{value}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn members_are_those_of_serde_json(texts in proptest::collection::vec("(?s).{0,12}", 0..4)) {
            let names = ["a", "b", "c"];
            let mut text = "{".to_owned();
            for (name, value) in names.iter().zip(&texts) {
                push_member(&mut text, name, value);
            }
            text.push('}');
            let members = names.iter().zip(&texts).map(|(name, value)| (*name, json!(value)));
            prop_assert_eq!(text, Value::Object(object(members)).to_string());
        }
    }

    #[test]
    fn value_that_may_hold_a_secret_is_not_quoted() {
        assert_eq!(quoted("Bad Host"), "\"Bad Host\"");
        for secret in [
            "https://admin:word@console.example",
            "admin@x",
            &"k".repeat(65),
        ] {
            assert_eq!(quoted(secret), "the value");
        }
    }
}
