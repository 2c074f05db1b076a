//! Merges JSON values.

use serde_json::Value;

use crate::encoding::object;

/// Merges `above` into `below`: objects member by member, other values as a whole. `null` changes nothing.
pub(super) fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (_, Value::Null) => {}
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// Builds an object with one value at a path.
pub(super) fn at(path: &str, value: Value) -> Value {
    path.rsplit('.')
        .fold(value, |value, name| Value::Object(object([(name, value)])))
}
