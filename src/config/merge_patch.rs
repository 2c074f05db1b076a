//! Parses the merge patch for a JSON response (RFC 7396).

use serde_json::{Map, Value};

use super::parse::{FromDocument, Reader};
use crate::encoding::json;

/// Maximum length of a patch as JSON, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// Merge patch whose target is an object. `null` removes a member.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MergePatch(pub(crate) Map<String, Value>);

impl FromDocument for MergePatch {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let members = reader.note(value.as_object().ok_or("is not an object"))?;
        reader.note(
            (value.to_string().len() <= MAX_LENGTH)
                .then(|| Self(members.clone()))
                .ok_or("use at most 16 KiB"),
        )
    }

    fn schema() -> Value {
        json!({ "type": "object" })
    }
}
