//! Holds a session's data: one JSON object, changed by merge patches (RFC 7396) and sent to origins as one line of
//! ASCII.

use thiserror::Error;

use serde_json::{Map, Value};

/// Maximum bytes of a session's data as compact JSON.
pub(crate) const LARGEST_DATA: usize = 64 * 1024;

/// Maximum bytes of a member's name.
pub(crate) const MAX_NAME_LENGTH: usize = 512;

/// JSON object of a session, kept as compact JSON, because it is sent far more often than it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Data(Option<String>);

/// Reasons why a patch is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadPatch {
    /// The patch is not JSON, or nested too deeply.
    #[error("the patch is not JSON, or nested too deeply")]
    NotJson,
    /// The patch is not an object.
    #[error("the patch is not an object")]
    NotAnObject,
    /// A member's name is longer than [`MAX_NAME_LENGTH`], or has control characters.
    #[error("a name in the patch is too long or has control characters")]
    Name,
    /// The result would be larger than [`LARGEST_DATA`].
    #[error("the data would be larger than {LARGEST_DATA} bytes")]
    TooLarge,
}

impl Data {
    /// Restores stored data.
    #[must_use]
    pub(crate) fn from_stored(json: String) -> Self {
        Self((json != "{}" && !json.is_empty()).then_some(json))
    }

    /// Returns compact JSON, or `None` for the empty object.
    #[must_use]
    pub(crate) fn stored(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns compact JSON; `{}` without data.
    #[must_use]
    pub(crate) fn to_json(&self) -> &str {
        self.0.as_deref().unwrap_or("{}")
    }

    /// Returns the data with `patch` merged in.
    ///
    /// # Errors
    /// Returns [`BadPatch`]; the data is unchanged then.
    pub(crate) fn patched(&self, patch: &str) -> Result<Self, BadPatch> {
        let patch: Value = serde_json::from_str(patch).map_err(|_| BadPatch::NotJson)?;
        let Value::Object(patch) = patch else {
            return Err(BadPatch::NotAnObject);
        };
        if !patch.iter().all(has_sound_names) {
            return Err(BadPatch::Name);
        }
        let mut object = match serde_json::from_str(self.to_json()) {
            Ok(Value::Object(object)) => object,
            _ => Map::new(),
        };
        merge(&mut object, patch);
        let json = Value::Object(object).to_string();
        if json.len() > LARGEST_DATA {
            return Err(BadPatch::TooLarge);
        }
        Ok(Self::from_stored(json))
    }

    /// Formats the data as one line of ASCII JSON for a header, with everything else escaped as `\uXXXX`.
    #[must_use]
    pub(crate) fn to_header(&self) -> Option<String> {
        self.0.as_deref().map(crate::encoding::ascii_json)
    }
}

/// Returns whether all names in a member are fit for a header and a log. The parser bounds the depth.
fn has_sound_names((name, value): (&String, &Value)) -> bool {
    let is_sound = name.len() <= MAX_NAME_LENGTH && !name.chars().any(char::is_control);
    is_sound
        && match value {
            Value::Object(members) => members.iter().all(has_sound_names),
            Value::Array(values) => values.iter().all(|value| match value {
                Value::Object(members) => members.iter().all(has_sound_names),
                _ => true,
            }),
            _ => true,
        }
}

/// Merges a patch (RFC 7396 section 2). The parser bounds the depth to 128 levels.
fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, change) in patch {
        match change {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(change) => {
                let slot = target
                    .entry(key)
                    .or_insert_with(|| Value::Object(Map::new()));
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(inner) = slot {
                    merge(inner, change);
                }
            }
            other => {
                target.insert(key, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn data(json: &str) -> Data {
        Data::default().patched(json).unwrap()
    }

    #[test]
    fn patches_follow_rfc_7396() {
        // RFC 7396 appendix A, as far as target and patch are objects.
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (
                r#"{"e":1}"#,
                r#"{"a":{"bb":{"ccc":null}}}"#,
                r#"{"a":{"bb":{}},"e":1}"#,
            ),
        ] {
            assert_eq!(
                data(target).patched(patch).unwrap().to_json(),
                result,
                "{target} {patch}"
            );
        }
    }

    #[test]
    fn patch_that_is_no_json_object_is_rejected() {
        let deep = "[".repeat(100_000);
        for (patch, expected) in [
            ("", BadPatch::NotJson),
            ("{", BadPatch::NotJson),
            (r#"{"a":1e999}"#, BadPatch::NotJson),
            (deep.as_str(), BadPatch::NotJson),
            ("[]", BadPatch::NotAnObject),
            ("null", BadPatch::NotAnObject),
        ] {
            assert_eq!(Data::default().patched(patch), Err(expected));
        }
        let long = format!(r#"{{"a":{{"{}":1}}}}"#, "x".repeat(MAX_NAME_LENGTH + 1));
        for named in [long.as_str(), r#"{"a\u0000":1}"#, r#"{"a":[{"\n":1}]}"#] {
            assert_eq!(Data::default().patched(named), Err(BadPatch::Name));
        }
        let large = format!(r#"{{"a":"{}"}}"#, "x".repeat(LARGEST_DATA));
        assert_eq!(Data::default().patched(&large), Err(BadPatch::TooLarge));
    }

    #[test]
    fn numbers_keep_their_spelling() {
        for number in [
            "98381618192.96875",
            "0.1",
            "5e-324",
            "1.7976931348623157e+308",
            "9007199254740993",
            "18446744073709551615",
            "-9223372036854775808",
        ] {
            let json = format!(r#"{{"v":{number}}}"#);
            let kept = data(&json);
            assert_eq!(kept.to_json(), json);
            let changed = kept.patched(r#"{"w":1}"#).unwrap();
            assert_eq!(changed.to_json(), format!(r#"{{"v":{number},"w":1}}"#));
        }
    }

    #[test]
    fn header_is_one_ascii_line() {
        let header = data(r#"{"a":"é\n𝄞\u007f"}"#).to_header().unwrap();
        assert_eq!(header, r#"{"a":"\u00e9\n\ud834\udd1e\u007f"}"#);
        assert_eq!(Data::default().to_header(), None);
    }

    proptest! {
        #[test]
        fn every_double_round_trips(bits: u64) {
            let number = f64::from_bits(bits);
            prop_assume!(number.is_finite());
            let kept = data(&format!(r#"{{"v":{number:e}}}"#));
            let read: Value = serde_json::from_str(kept.to_json()).unwrap();
            prop_assert_eq!(read["v"].as_f64().unwrap().to_bits(), bits);
        }

        #[test]
        fn header_equals_the_data(text in ".*") {
            let json = serde_json::json!({ "key": text }).to_string();
            let header = data(&json).to_header().unwrap();
            prop_assert!(header.bytes().all(|b| (b' '..=b'~').contains(&b)));
            let parsed: Value = serde_json::from_str(&header).unwrap();
            prop_assert_eq!(parsed, serde_json::json!({ "key": text }));
        }
    }
}
