//! Accepts former names of settings in stored documents.
//!
//! In a gradual deployment both releases read the same documents, and the older one knows only the former name. So a
//! stored document may use it for one release. Writing a document or setting a variable under the former name fails
//! with an error that gives the new one.

use serde_json::Value;

/// Former name of `session.streams`, and of its value `revocable`.
const LIVE: &str = "live";
const WATCHED: &str = "watched";

/// Former names of variables, each with the error that gives the new name.
pub(crate) const FORMER_VARIABLES: [(&str, &str); 1] = [(
    "LIVE",
    "LIVE: is named STREAMS since release 0.2; set STREAMS=revocable where LIVE=watched was set, and remove LIVE.",
)];

/// Returns the error for the former name of a field, with the new name.
pub(super) fn former_field(path: &str) -> Option<&'static str> {
    (path == "session.live").then_some(
        "is named streams since release 0.2; write \"streams\": \"revocable\" in place of \"live\": \"watched\"",
    )
}

/// Renames the fields of a stored document to their current names. Returns whether any had its former name.
pub(crate) fn update_names(document: &mut Value) -> bool {
    let session = document.get_mut("session").and_then(Value::as_object_mut);
    let Some((session, former)) = session.and_then(|session| {
        let former = session.remove(LIVE)?;
        Some((session, former))
    }) else {
        return false;
    };
    let value = match former.as_str() {
        Some(WATCHED) => "revocable".into(),
        _ => former,
    };
    // If a document has both names, the new one counts. Release 0.1 rejects such a document, because it does not know
    // `streams`.
    session.entry("streams").or_insert(value);
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn former_name_is_accepted_in_a_stored_document() {
        for (stored, updated) in [
            (
                json!({ "live": "watched" }),
                json!({ "streams": "revocable" }),
            ),
            (
                json!({ "live": "pass-through" }),
                json!({ "streams": "pass-through" }),
            ),
            (json!({ "live": "x" }), json!({ "streams": "x" })),
            (
                json!({ "live": "watched", "streams": "pass-through" }),
                json!({ "streams": "pass-through" }),
            ),
        ] {
            let mut document = json!({ "id": "acme", "session": stored });
            assert!(update_names(&mut document));
            assert_eq!(document, json!({ "id": "acme", "session": updated }));
        }
    }

    #[test]
    fn document_with_current_names_is_unchanged() {
        for document in [
            json!({ "session": { "streams": "revocable" } }),
            json!({ "live": "watched" }),
            json!({ "session": ["live"] }),
            json!(null),
        ] {
            let mut same = document.clone();
            assert!(!update_names(&mut same));
            assert_eq!(same, document);
        }
    }
}
