//! Finds a tenant's merge patch for the JSON responses of a path, and applies it (RFC 7396).

use serde_json::{Map, Value};

use super::assets;
use super::faults::Faults;
use crate::config::model::Document;
use crate::http::path;

/// Maximum number of paths whose responses are patched.
const MAX_PATHS: usize = 16;

/// Maximum length of a response that is patched, in bytes.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// Whether responses can be patched. The library's handler is the application itself, and needs no patch.
const CAN_PATCH: bool = cfg!(any(test, feature = "standalone"));

type Members = Map<String, Value>;

/// Merge patches by the decoded path.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Patches(Vec<(String, Members)>);

impl Patches {
    /// Converts the patches of a document, and reports paths whose responses cannot be patched.
    pub(super) fn of(document: &Document, prefix: &str, faults: &mut Faults) -> Self {
        if document.responses.iter().count() > MAX_PATHS {
            faults.add("responses", "use at most 16 paths");
        }
        assets::check("responses", document.responses.keys(), prefix, faults);
        for path in document.responses.keys().filter(|path| path.contains('?')) {
            let problem = "use the path alone; the query does not matter";
            faults.add(&format!("responses.{path}"), problem);
        }
        let patches = document.responses.iter().filter(|_| CAN_PATCH);
        let patches = patches
            .filter_map(|(path, patch)| Some((path::reading(path)?.into_owned(), patch.0.clone())));
        Self(patches.collect())
    }

    /// Returns whether the tenant patches no response.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the patch for the responses of a path.
    #[must_use]
    pub(crate) fn at(&self, path: &str) -> Option<&Members> {
        let reading = path::reading(path)?;
        let (_, patch) = self.0.iter().find(|(path, _)| *path == reading)?;
        Some(patch)
    }
}

/// Returns a JSON object with a patch applied. `None` if the body is no JSON object.
#[must_use]
pub(crate) fn patched(body: &[u8], patch: &Members) -> Option<String> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    merge(value.as_object_mut()?, patch);
    Some(value.to_string())
}

fn merge(target: &mut Members, patch: &Members) {
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(name)),
            Value::Object(patch) => {
                let member = target.entry(name.clone()).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Map::new());
                }
                if let Value::Object(target) = member {
                    merge(target, patch);
                }
            }
            other => drop(target.insert(name.clone(), other.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn apply(target: &Value, patch: &Value) -> Option<Value> {
        let patched = patched(target.to_string().as_bytes(), patch.as_object().unwrap())?;
        serde_json::from_str(&patched).ok()
    }

    /// The examples of RFC 7396, appendix A, whose target and patch are objects.
    #[test]
    fn merge_patches_are_those_of_the_rfc() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (
                json!({"a":"b","b":"c"}),
                json!({"a":null}),
                json!({"b":"c"}),
            ),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            assert_eq!(apply(&target, &patch), Some(result), "{target} {patch}");
        }
    }

    #[test]
    fn only_objects_are_patched() {
        for body in ["", "[]", "1", "null", "{", "{} {}", "<p>", "\u{feff}{}"] {
            assert_eq!(patched(body.as_bytes(), &Map::new()), None, "{body}");
        }
        assert_eq!(patched(b"{\"a\":\"\xff\"}", &Map::new()), None);
        let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
        assert_eq!(
            patched(&[b"{\"a\":", &deep[..], b"}"].concat(), &Map::new()),
            None
        );
    }

    #[test]
    fn result_is_one_line() {
        let body = b"{\n  \"a\": \"x\\ny\",\r\n  \"b\": 0.1\n}\n";
        let patched = patched(body, &Map::new()).unwrap();
        assert_eq!(patched, r#"{"a":"x\ny","b":0.1}"#);
    }
}
